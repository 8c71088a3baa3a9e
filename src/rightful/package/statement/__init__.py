"""The statement of GDPR Art. 15: why the data that was found is held, who gets it, how long it is kept, and the person's rights.

`statement.json` has it without a language, STATEMENT.txt in the person's, START-HERE.html in all. What the latter two say is one document
(`document.py`): messages of the catalogues in `locale/statement`, in which words of the operator stand as they are.
"""
