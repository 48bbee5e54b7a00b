
-- The entry points of the module: the trigger functions, and the one definition of a number.
--
-- The first three take up to three arguments: the names of the columns that hold the customer's id, phone and whatsapp.
-- One that is empty or left off means the usual name (id, phone, whatsapp). touch_updated_at takes the name of its column
-- (updated_at).

CREATE FUNCTION contact_sync.sync_contact_numbers() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION contact_sync.initialize_contact_preferences() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION contact_sync.update_contact_methods() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION contact_sync.touch_updated_at() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION contact_sync.number(text) RETURNS text
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION contact_sync_internal.is_computation(expression pg_node_tree, of_whole_rows boolean) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT;
CREATE FUNCTION contact_sync_internal.is_refused(constraint_id oid, value text) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT;
CREATE FUNCTION contact_sync_internal.accepts(relation oid, column_name name, category "char", value text) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE;
CREATE FUNCTION contact_sync_internal.is_text(type oid) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT;

CREATE FUNCTION contact_sync_internal.caller() RETURNS oid
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE;
CREATE FUNCTION contact_sync_internal.grant_execute(function regprocedure) RETURNS void
    AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- All statements on user tables go through these, so that they reach no table but those of the owner they run as, and
-- settings that they make are undone; DDL goes through execute.
-- query keeps search_path; write has that of the owner's triggers, so its statement qualifies every name, operators too;
-- look_up is write for a statement that looks up a few rows of large tables, whatever their statistics say.
CREATE FUNCTION contact_sync_internal.query(statement text, arguments text[] DEFAULT NULL) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'run_query' LANGUAGE C;
CREATE FUNCTION contact_sync_internal.write(statement text, arguments text[] DEFAULT NULL) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'run_write' LANGUAGE C;
CREATE FUNCTION contact_sync_internal.look_up(statement text, arguments text[]) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'run_write' LANGUAGE C
    SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
    SET enable_memoize = off SET jit = off;
CREATE FUNCTION contact_sync_internal.execute(statement text) RETURNS void
    AS 'MODULE_PATHNAME', 'run_utility' LANGUAGE C STRICT;

COMMENT ON FUNCTION contact_sync.sync_contact_numbers() IS
    'BEFORE INSERT OR UPDATE on customers: an empty phone or whatsapp takes the other''s value';
COMMENT ON FUNCTION contact_sync.initialize_contact_preferences() IS
    'AFTER INSERT on customers: gives a customer contact preferences, with that table''s own defaults';
COMMENT ON FUNCTION contact_sync.update_contact_methods() IS
    'AFTER INSERT OR UPDATE on customers: keeps contact_methods as the customer''s numbers are';
COMMENT ON FUNCTION contact_sync.touch_updated_at() IS
    'BEFORE UPDATE on a contact table: sets updated_at';
COMMENT ON FUNCTION contact_sync.number(text) IS
    'a number as contact sync stores it: without white space (in UTF-8 Unicode''s, and format characters) at both ends, null where nothing is left';
COMMENT ON FUNCTION contact_sync_internal.is_computation(pg_node_tree, boolean) IS
    'whether an expression of a table''s definition only computes, with nothing that a user can make or change';
COMMENT ON FUNCTION contact_sync_internal.is_refused(oid, text) IS
    'whether a CHECK constraint refuses a value; false where it does more than compute';
COMMENT ON FUNCTION contact_sync_internal.accepts(oid, name, "char", text) IS
    'whether a column can be set to a value of a category of types (pg_type.typcategory), as far as its type and its own CHECK constraints tell';
COMMENT ON FUNCTION contact_sync_internal.is_text(oid) IS
    'whether values of a type are stored as text is, below any domains: text, varchar, char, citext; numbers are of such a type';
COMMENT ON FUNCTION contact_sync_internal.caller() IS
    'the role that called verify, attach, ... which itself runs as the owner of customers';
COMMENT ON FUNCTION contact_sync_internal.grant_execute(regprocedure) IS
    'lets the owner of customers put a trigger function on tables: a GRANT by the caller of attach';
COMMENT ON FUNCTION contact_sync_internal.query(text, text[]) IS
    'the rows of a statement, or how many it touched; it may name only tables whose owner has the current user''s rights';
COMMENT ON FUNCTION contact_sync_internal.write(text, text[]) IS
    'query, with the search_path that triggers of contact tables expect';
COMMENT ON FUNCTION contact_sync_internal.look_up(text, text[]) IS
    'write, for a statement that looks up a few rows of large tables';
COMMENT ON FUNCTION contact_sync_internal.execute(text) IS
    'EXECUTE, after which settings are what they were';
