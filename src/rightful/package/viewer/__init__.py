"""The person's own view of a package: START-HERE.html, and beside it, under `view/`, the records in a form that a page can load.

A page that was opened from disk may load scripts and nothing else. So records and lists of files stand a second time in small scripts
(`shards.py`), each loaded only when its rows are looked at. START-HERE.html brings its own style, its own code and the overview of the
package with it; its content security policy lets it load scripts of the package and nothing else, from nowhere else.
"""
