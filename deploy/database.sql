-- The account and the database of deploy/compose-dask.yaml, made once, by psql. The account is no superuser: row-level security would not hold it.
\set ON_ERROR_STOP on
\getenv password RIGHTFUL_STORE_PASSWORD
CREATE ROLE rightful LOGIN PASSWORD :'password' NOSUPERUSER NOBYPASSRLS;
CREATE DATABASE rightful OWNER rightful ENCODING 'UTF8';
