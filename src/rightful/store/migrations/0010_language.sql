-- The language of the package (rightful.language.OFFERED), settled at the submit; '' where nobody said one.

ALTER TABLE operation ADD COLUMN language TEXT NOT NULL DEFAULT '';
