
-- The entry points of the module: the trigger functions, and the one definition of a number.
--
-- The first three take up to three arguments, each optional from the right: the names of the columns that hold the
-- customer's id, phone and whatsapp (id, phone, whatsapp). touch_updated_at takes the name of its column (updated_at).

CREATE FUNCTION @extschema@.sync_contact_numbers() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION @extschema@.initialize_contact_preferences() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION @extschema@.update_contact_methods() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION @extschema@.touch_updated_at() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION @extschema@.number(text) RETURNS text
    AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION @extschema@.runs_foreign_code(contact_table oid, trigger name, owner oid) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT;
CREATE FUNCTION @extschema@.is_computation(expression pg_catalog.pg_node_tree) RETURNS boolean
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE STRICT;

-- The second looks rows up by their index, whatever the statistics of a table that is being filled have to say.
CREATE FUNCTION @extschema@.run_as_owner(table_name regclass, statement text, arguments text[] DEFAULT '{}')
    RETURNS record AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION @extschema@.look_up_as_owner(table_name regclass, statement text, arguments text[])
    RETURNS record AS 'MODULE_PATHNAME', 'run_as_owner' LANGUAGE C STRICT
    SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
    SET enable_memoize = off SET jit = off;

COMMENT ON FUNCTION @extschema@.sync_contact_numbers() IS
    'BEFORE INSERT OR UPDATE on customers: an empty phone or whatsapp takes the other''s value';
COMMENT ON FUNCTION @extschema@.initialize_contact_preferences() IS
    'AFTER INSERT on customers: gives a customer contact preferences, with that table''s own defaults';
COMMENT ON FUNCTION @extschema@.update_contact_methods() IS
    'AFTER INSERT OR UPDATE on customers: keeps contact_methods as the customer''s numbers are';
COMMENT ON FUNCTION @extschema@.touch_updated_at() IS
    'BEFORE UPDATE on a contact table: sets updated_at';
COMMENT ON FUNCTION @extschema@.number(text) IS
    'a number as contact sync stores it: without white space at both ends, null where nothing is left';
COMMENT ON FUNCTION @extschema@.runs_foreign_code(oid, name, oid) IS
    'whether a trigger could run the code of roles that have not the owner''s rights: then its table is not written';
COMMENT ON FUNCTION @extschema@.run_as_owner(regclass, text, text[]) IS
    'the first row of a statement that runs with the rights of a table''s owner, which its caller must have';
COMMENT ON FUNCTION @extschema@.look_up_as_owner(regclass, text, text[]) IS
    'run_as_owner, for a statement that looks up a few rows of large tables';
COMMENT ON FUNCTION @extschema@.is_computation(pg_node_tree) IS
    'whether an expression of a table''s definition computes a value in C and does no more';
