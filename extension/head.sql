\echo Use "CREATE EXTENSION contact_sync" to load this file. \quit

-- contact_sync 1.0, the install script.
--
-- Objects are created plainly, never where they are missing and never over what is there: an object somebody planted
-- in the schema makes CREATE EXTENSION fail, instead of becoming part of it. No user table is touched.

-- What is in the schema does nothing that its caller has no right to, and everybody may call number().
GRANT USAGE ON SCHEMA @extschema@ TO PUBLIC;
