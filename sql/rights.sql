--
-- Whose rights: the body runs as the owner of the customers table, so that no app role needs rights on contact tables;
-- and a role that owns nothing gains nothing by it.
--
\pset format unaligned
\pset footer off
\pset null -
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE ROLE regress_rights_owner;
CREATE ROLE regress_rights_app;
CREATE ROLE regress_rights_mallory;
CREATE SCHEMA regress_rights AUTHORIZATION regress_rights_owner;
GRANT USAGE ON SCHEMA regress_rights TO PUBLIC;
CREATE SCHEMA regress_mallory AUTHORIZATION regress_rights_mallory;
GRANT USAGE ON SCHEMA regress_mallory TO PUBLIC;
-- What ran, and as whom. Everybody may write it.
CREATE TABLE regress_rights.log (n serial, what text, as_whom name, path text DEFAULT current_setting('search_path'));
GRANT ALL ON regress_rights.log, regress_rights.log_n_seq TO PUBLIC;
CREATE TABLE regress_rights.secret (secret text);
ALTER TABLE regress_rights.secret OWNER TO regress_rights_owner;

GRANT EXECUTE ON FUNCTION contact_sync.sync_contact_numbers(), contact_sync.initialize_contact_preferences(),
    contact_sync.update_contact_methods(), contact_sync.touch_updated_at() TO regress_rights_owner;
SET ROLE regress_rights_owner;
SET search_path = regress_rights;
CREATE TABLE customers (id bigint PRIMARY KEY, phone varchar(20), whatsapp varchar(20));
CREATE TABLE contact_methods (
    customer_id bigint REFERENCES customers ON DELETE CASCADE,
    method_type varchar(20) NOT NULL,
    phone_number varchar(20) NOT NULL,
    updated_at timestamptz DEFAULT '2020-01-01',
    UNIQUE (customer_id, method_type)
);
CREATE TABLE contact_preferences (customer_id bigint UNIQUE, preferred_method varchar(20) DEFAULT 'sms');
CREATE TRIGGER sync_numbers BEFORE INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.sync_contact_numbers();
CREATE TRIGGER trigger_initialize AFTER INSERT ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.initialize_contact_preferences();
CREATE TRIGGER update_methods AFTER INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();
GRANT SELECT, INSERT, UPDATE ON customers TO regress_rights_app, regress_rights_mallory;
RESET ROLE;

--
-- An app role
--
-- needs no rights on contact tables, nor on the functions.
SELECT has_table_privilege('regress_rights_app', 'contact_methods', 'SELECT, INSERT, UPDATE, DELETE') AS methods,
       has_table_privilege('regress_rights_app', 'contact_preferences', 'SELECT, INSERT') AS preferences,
       has_function_privilege('regress_rights_app', 'contact_sync.update_contact_methods()', 'EXECUTE') AS function;
SET ROLE regress_rights_app;
INSERT INTO customers VALUES (1, '1', NULL), (2, NULL, '2'), (3, '3', '33');
UPDATE customers SET phone = '11' WHERE id = 1;
UPDATE customers SET phone = NULL, whatsapp = '' WHERE id = 2;
SELECT count(*) FROM contact_methods;
RESET ROLE;
SELECT customer_id, method_type, phone_number FROM contact_methods ORDER BY 1, 2;
SELECT * FROM contact_preferences;
-- Row-level security on the contact tables is not the sync's, forced on the owner or not, and whatever the client says.
ALTER TABLE contact_methods ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SET ROLE regress_rights_app;
SET row_security = off;
UPDATE customers SET phone = '111' WHERE id = 1;
RESET row_security;
UPDATE customers SET whatsapp = '111' WHERE id = 1;
RESET ROLE;
SELECT method_type, phone_number FROM contact_methods WHERE customer_id = 1 ORDER BY 1;
-- That of customers is the client's: what it does not see it does not change.
ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
CREATE POLICY one ON customers USING (id = 1) WITH CHECK (id = 1);
SET ROLE regress_rights_app;
UPDATE customers SET phone = '9';
INSERT INTO customers VALUES (4, '4');
RESET ROLE;
SELECT customer_id, phone_number FROM contact_methods WHERE method_type = 'sms' ORDER BY 1;
ALTER TABLE customers DISABLE ROW LEVEL SECURITY;
ALTER TABLE contact_methods DISABLE ROW LEVEL SECURITY;

--
-- Traps in the client's search_path: functions and operators of its own, found before pg_catalog's
--
SET ROLE regress_rights_mallory;
SET search_path = regress_mallory;
CREATE FUNCTION trap() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO regress_rights.log (what, as_whom) VALUES ('trap', current_user);
    RETURN true;
END
$$;
CREATE FUNCTION now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT trap(); SELECT '1999-01-01'::timestamptz $$;
CREATE FUNCTION lower(text) RETURNS text LANGUAGE sql AS $$ SELECT trap(); SELECT 'x'::text $$;
CREATE FUNCTION eq(varchar, text) RETURNS boolean LANGUAGE sql AS $$ SELECT trap() $$;
CREATE FUNCTION eq(varchar, varchar) RETURNS boolean LANGUAGE sql AS $$ SELECT trap() $$;
CREATE FUNCTION eq(text, text) RETURNS boolean LANGUAGE sql AS $$ SELECT trap() $$;
CREATE FUNCTION eq(bigint, bigint) RETURNS boolean LANGUAGE sql AS $$ SELECT trap() $$;
CREATE OPERATOR = (FUNCTION = eq, LEFTARG = varchar, RIGHTARG = text);
CREATE OPERATOR = (FUNCTION = eq, LEFTARG = varchar, RIGHTARG = varchar);
CREATE OPERATOR = (FUNCTION = eq, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR = (FUNCTION = eq, LEFTARG = bigint, RIGHTARG = bigint);
CREATE OPERATOR <> (FUNCTION = eq, LEFTARG = varchar, RIGHTARG = text);
CREATE OPERATOR <> (FUNCTION = eq, LEFTARG = varchar, RIGHTARG = varchar);
CREATE OPERATOR <> (FUNCTION = eq, LEFTARG = text, RIGHTARG = text);
CREATE DOMAIN text AS pg_catalog.text CHECK (trap());
CREATE TYPE regress_mallory.varchar AS (a int);
CREATE TABLE contact_methods (customer_id bigint, method_type pg_catalog.text, phone_number pg_catalog.text);
SET search_path = regress_mallory, pg_catalog, regress_rights;
-- They are traps indeed,
SELECT now() < '2000-01-01' AS now, 'a'::pg_catalog.text = 'b'::pg_catalog.text AS equals;
SELECT count(*) > 0 AS trapped FROM log;
RESET ROLE;
TRUNCATE log;
SET ROLE regress_rights_mallory;
-- and contact sync does not step into them: in sessions of its plans and in those whose plans others made.
UPDATE regress_rights.customers SET phone = '12', whatsapp = NULL WHERE id OPERATOR(pg_catalog.=) 1;
INSERT INTO regress_rights.customers VALUES (5, NULL, '5');
DISCARD PLANS;
UPDATE regress_rights.customers SET phone = '13' WHERE id OPERATOR(pg_catalog.=) 1;
\c -
\pset null -
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET ROLE regress_rights_mallory;
SET search_path = regress_mallory, pg_catalog;
SET client_min_messages = warning;
UPDATE regress_rights.customers SET phone = '14' WHERE id OPERATOR(pg_catalog.=) 1;
INSERT INTO regress_rights.customers VALUES (6, '6');
UPDATE regress_rights.customers SET phone = NULL, whatsapp = NULL WHERE id OPERATOR(pg_catalog.=) 6;
RESET ROLE;
SET search_path = regress_rights;
SELECT what, as_whom FROM log;
SELECT count(*) FROM regress_mallory.contact_methods;
SELECT customer_id, method_type, phone_number, updated_at > '2021-01-01' AS touched FROM contact_methods
    WHERE customer_id IN (1, 5, 6) ORDER BY 1, 2;
-- Temporary tables and functions neither
SET ROLE regress_rights_mallory;
CREATE TEMPORARY TABLE contact_methods (LIKE regress_mallory.contact_methods);
CREATE FUNCTION pg_temp.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT '1999-01-01'::timestamptz $$;
UPDATE customers SET phone = '15' WHERE id = 1;
RESET ROLE;
SELECT count(*) FROM contact_methods;
DROP TABLE pg_temp.contact_methods;
DROP FUNCTION pg_temp.now();
SELECT phone_number, updated_at > '2021-01-01' AS touched FROM contact_methods WHERE (customer_id, method_type) = (1, 'sms');

--
-- Users' triggers on contact tables
--
-- They run as the owner, by a search_path of pg_catalog, the tables' schema and pg_temp: an unqualified now() is
-- pg_catalog's, whatever the client's path.  Afterwards the client is the client.
SET ROLE regress_rights_owner;
CREATE FUNCTION legacy_touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at = NOW();
    INSERT INTO log (what, as_whom) VALUES (TG_OP, current_user);
    RETURN NEW;
END
$$;
CREATE TRIGGER legacy_touch BEFORE INSERT OR UPDATE ON contact_methods
    FOR EACH ROW WHEN (NEW.method_type = 'sms') EXECUTE FUNCTION legacy_touch();
SET ROLE regress_rights_mallory;
SET search_path = regress_mallory, pg_catalog, pg_temp;
UPDATE regress_rights.customers SET phone = '16' WHERE id OPERATOR(pg_catalog.=) 1;
INSERT INTO regress_rights.customers VALUES (7, '7');
SELECT current_user, session_user OPERATOR(pg_catalog.=) current_user AS superuser,
       current_setting('search_path') AS search_path;
RESET ROLE;
SET search_path = regress_rights;
SELECT what, as_whom, path FROM log ORDER BY n;
SELECT customer_id, phone_number, updated_at > '2021-01-01' AS touched FROM contact_methods
    WHERE method_type = 'sms' AND customer_id IN (1, 7) ORDER BY 1;
TRUNCATE log;

-- A function with a search_path of its own has that.
ALTER FUNCTION legacy_touch() SET search_path = regress_rights, public;
SET ROLE regress_rights_app;
UPDATE customers SET phone = '17' WHERE id = 1;
RESET ROLE;
SELECT what, as_whom, path FROM log ORDER BY n;
TRUNCATE log;
-- A SECURITY DEFINER one has its own rights.
ALTER FUNCTION legacy_touch() SECURITY DEFINER;
ALTER FUNCTION legacy_touch() OWNER TO CURRENT_USER;
SELECT current_user AS me
\gset
SET ROLE regress_rights_app;
UPDATE customers SET phone = '18' WHERE id = 1;
RESET ROLE;
SELECT what, as_whom = :'me' AS mine FROM log ORDER BY n;
TRUNCATE log;
DROP TRIGGER legacy_touch ON contact_methods;

-- SET ROLE is not for them: the way back to the session's user would be a way to his rights.
SET ROLE regress_rights_owner;
CREATE FUNCTION change_role() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE TG_ARGV[0];
    INSERT INTO log (what, as_whom) VALUES ('role changed', current_user);
    RETURN NEW;
END
$$;
CREATE TRIGGER change_role BEFORE UPDATE ON contact_methods
    FOR EACH ROW WHEN (NEW.method_type = 'sms') EXECUTE FUNCTION change_role('RESET ROLE');
SET ROLE regress_rights_app;
UPDATE customers SET phone = '19' WHERE id = 1;
RESET ROLE;
CREATE OR REPLACE TRIGGER change_role BEFORE UPDATE ON contact_methods
    FOR EACH ROW WHEN (NEW.method_type = 'sms') EXECUTE FUNCTION change_role('SET SESSION AUTHORIZATION DEFAULT');
SET ROLE regress_rights_app;
UPDATE customers SET phone = '20' WHERE id = 1;
RESET ROLE;
SELECT customer, sqlstate, times, message FROM contact_sync.failures;
SELECT count(*) FROM log;
DROP TRIGGER change_role ON contact_methods;
DELETE FROM contact_sync.failures;

--
-- A trigger that somebody else puts on a contact table would run as the owner. It is not run at all: that is a failure.
--
-- By a role with TRIGGER and nothing else.
SET ROLE regress_rights_owner;
GRANT TRIGGER ON contact_methods, contact_preferences TO regress_rights_mallory;
SET ROLE regress_rights_mallory;
CREATE FUNCTION regress_mallory.take() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO regress_rights.log (what, as_whom) VALUES ('taken', current_user);
    GRANT ALL ON regress_rights.secret TO regress_rights_mallory;
    RETURN NEW;
END
$$;
CREATE TRIGGER take BEFORE INSERT OR UPDATE ON contact_methods FOR EACH ROW EXECUTE FUNCTION regress_mallory.take();
\set VERBOSITY default
UPDATE customers SET phone = '21' WHERE id = 1;
\set VERBOSITY terse
INSERT INTO customers VALUES (8, '8');
RESET ROLE;
DROP TRIGGER take ON contact_methods;
-- AFTER, at the statement's level, and by way of a DELETE
SET ROLE regress_rights_mallory;
CREATE TRIGGER take_after AFTER DELETE ON contact_methods FOR EACH STATEMENT EXECUTE FUNCTION regress_mallory.take();
UPDATE customers SET phone = NULL, whatsapp = NULL WHERE id = 3;
RESET ROLE;
DROP TRIGGER take_after ON contact_methods;
-- A function of the owner's, but a condition of somebody else's: a function of his, an operator, a domain; or one of
-- PostgreSQL's own that takes SQL, or reads what he has made
SET ROLE regress_rights_owner;
CREATE FUNCTION harmless() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
SET ROLE regress_rights_mallory;
CREATE FUNCTION regress_mallory.quietly(pg_catalog.text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM regress_mallory.trap();
    IF current_user OPERATOR(pg_catalog.=) 'regress_rights_owner' THEN
        GRANT ALL ON regress_rights.secret TO regress_rights_mallory;
    END IF;
    RETURN false;
END
$$;
CREATE OPERATOR regress_mallory.!! (FUNCTION = regress_mallory.quietly, RIGHTARG = pg_catalog.text);
CREATE DOMAIN regress_mallory.quiet AS pg_catalog.text CHECK (regress_mallory.quietly(VALUE) IS NOT NULL);
CREATE TYPE regress_mallory.row_of_quiet AS (a regress_mallory.quiet);
CREATE VIEW regress_mallory.quiet_view AS SELECT regress_mallory.quietly('');
GRANT SELECT ON regress_mallory.quiet_view TO PUBLIC;
CREATE TABLE regress_mallory.conditions (name pg_catalog.text, condition pg_catalog.text);
INSERT INTO regress_mallory.conditions VALUES
    ('when_1_function', 'regress_mallory.quietly(NEW.phone_number)'),
    ('when_2_operator', 'OPERATOR(regress_mallory.!!) NEW.phone_number::pg_catalog.text'),
    ('when_3_domain', 'NEW.phone_number::regress_mallory.quiet IS NULL'),
    ('when_4_row', $$ ('(' || NEW.phone_number || ')')::regress_mallory.row_of_quiet IS NULL $$),
    ('when_5_array', $$ ('{' || NEW.phone_number || '}')::regress_mallory.quiet[] IS NULL $$),
    ('when_6_query', $$ pg_catalog.query_to_xml('SELECT regress_mallory.quietly('''')', false, false, '') IS NULL $$),
    ('when_7_view', $$ pg_catalog.table_to_xml('regress_mallory.quiet_view', false, false, '') IS NULL $$),
    ('when_8_rewrite', $$ pg_catalog.ts_rewrite('a', 'SELECT ''a''::tsquery, CASE WHEN regress_mallory.quietly('''')
                                                      THEN ''b''::tsquery END') IS NULL $$);
TRUNCATE log;
DO $$
DECLARE
    c record;
BEGIN
    FOR c IN SELECT * FROM regress_mallory.conditions ORDER BY name COLLATE "C" LOOP
        SET LOCAL ROLE regress_rights_mallory;
        EXECUTE format('CREATE TRIGGER %I BEFORE INSERT OR UPDATE ON contact_methods '
                       'FOR EACH ROW WHEN (%s) EXECUTE FUNCTION harmless()', c.name, c.condition);
        UPDATE customers SET phone = '22 ' || c.name WHERE id = 1;
        UPDATE customers SET phone = '22' WHERE id = 1;
        SET LOCAL ROLE regress_rights_owner;
        EXECUTE format('DROP TRIGGER %I ON contact_methods', c.name);
    END LOOP;
END
$$;
RESET ROLE;
SELECT DISTINCT what, as_whom FROM log;
-- What a legacy system has in conditions is fine.
CREATE TRIGGER changed BEFORE UPDATE ON contact_methods
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.* AND NEW.phone_number IS DISTINCT FROM OLD.phone_number
                       AND NEW.method_type IN ('sms', 'phone_call') AND pg_trigger_depth() > 0)
    EXECUTE FUNCTION harmless();
UPDATE customers SET phone = '24' WHERE id = 1;
SELECT method_type, phone_number FROM contact_methods WHERE customer_id = 1 ORDER BY 1;
DROP TRIGGER changed ON contact_methods;
-- or on the other contact table
SET ROLE regress_rights_mallory;
CREATE TRIGGER take BEFORE INSERT ON contact_preferences FOR EACH ROW EXECUTE FUNCTION regress_mallory.take();
INSERT INTO customers VALUES (9, '9');
RESET ROLE;
-- A disabled one is as good as none.
ALTER TABLE contact_preferences DISABLE TRIGGER take;
SET ROLE regress_rights_mallory;
INSERT INTO customers VALUES (10, '10');
RESET ROLE;
SELECT customer_id FROM contact_preferences WHERE customer_id > 7 ORDER BY 1;
DROP TRIGGER take ON contact_preferences;
-- In none of that a function of his was called, nor anything written.
SELECT * FROM log;
SELECT has_table_privilege('regress_rights_mallory', 'secret', 'SELECT');
SELECT customer_id, method_type, phone_number FROM contact_methods WHERE customer_id IN (3, 8) ORDER BY 1, 2;
-- One of a role that has the owner's rights anyway is welcome.
GRANT regress_rights_owner TO regress_rights_mallory;
SET ROLE regress_rights_mallory;
CREATE TRIGGER take BEFORE INSERT ON contact_methods FOR EACH ROW EXECUTE FUNCTION regress_mallory.take();
INSERT INTO customers VALUES (11, '11');
RESET ROLE;
SELECT DISTINCT what, as_whom FROM log;
SELECT count(*) FROM contact_methods WHERE customer_id = 11;
DROP TRIGGER take ON contact_methods;
REVOKE ALL ON secret FROM regress_rights_mallory;
REVOKE regress_rights_owner FROM regress_rights_mallory;
TRUNCATE log;

--
-- A contact table of another owner, planted in the schema, is not written.
--
ALTER TABLE contact_methods RENAME TO contact_methods_away;
GRANT CREATE ON SCHEMA regress_rights TO regress_rights_mallory;
SET ROLE regress_rights_mallory;
CREATE TABLE contact_methods (
    customer_id bigint, method_type pg_catalog.text, phone_number pg_catalog.text, UNIQUE (customer_id, method_type)
);
CREATE TRIGGER take BEFORE INSERT OR UPDATE ON contact_methods FOR EACH ROW EXECUTE FUNCTION regress_mallory.take();
GRANT ALL ON contact_methods TO PUBLIC;
INSERT INTO customers VALUES (12, '12');
RESET ROLE;
SELECT count(*) FROM contact_methods;
SELECT count(*) FROM log;
DROP TABLE contact_methods;
-- Nor a view, nor a partition or child that is his.
SET ROLE regress_rights_mallory;
CREATE VIEW contact_methods AS SELECT * FROM regress_mallory.contact_methods;
INSERT INTO customers VALUES (13, '13');
DROP VIEW contact_methods;
SET ROLE regress_rights_owner;
CREATE TABLE contact_methods (
    customer_id bigint, method_type text, phone_number text, UNIQUE (customer_id, method_type)
) PARTITION BY LIST (customer_id);
RESET ROLE;
CREATE TABLE contact_methods_14 PARTITION OF contact_methods FOR VALUES IN (14);
CREATE TABLE contact_methods_15 PARTITION OF contact_methods FOR VALUES IN (15);
ALTER TABLE contact_methods_14 OWNER TO regress_rights_owner;
ALTER TABLE contact_methods_15 OWNER TO regress_rights_mallory;
SET ROLE regress_rights_mallory;
CREATE TRIGGER take BEFORE INSERT OR UPDATE ON contact_methods_15 FOR EACH ROW EXECUTE FUNCTION regress_mallory.take();
INSERT INTO customers VALUES (15, '15');
RESET ROLE;
SELECT count(*) FROM contact_methods;
ALTER TABLE contact_methods DETACH PARTITION contact_methods_15;
SET ROLE regress_rights_mallory;
INSERT INTO customers VALUES (14, '14');
RESET ROLE;
SELECT count(*) FROM contact_methods;
DROP TABLE contact_methods, contact_methods_15;
ALTER TABLE contact_methods_away RENAME TO contact_methods;
SELECT count(*) FROM log;
REVOKE CREATE ON SCHEMA regress_rights FROM regress_rights_mallory;

--
-- Our functions on a table of his own
--
-- EXECUTE is not for everybody,
SELECT proname, has_function_privilege('regress_rights_mallory', p.oid, 'EXECUTE') FROM pg_proc p
    JOIN pg_depend d ON (d.classid, d.objid, d.deptype) = ('pg_proc'::regclass, p.oid, 'e')
    WHERE prorettype = 'trigger'::regtype AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'contact_sync')
    ORDER BY proname;
SET ROLE regress_rights_mallory;
SET search_path = regress_mallory;
CREATE TABLE customers (id bigint, phone pg_catalog.text, whatsapp pg_catalog.text);
CREATE TRIGGER mine AFTER INSERT ON customers FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();
-- nor is a call outside a trigger. With it, they run with his own rights,
RESET ROLE;
GRANT EXECUTE ON FUNCTION contact_sync.update_contact_methods() TO regress_rights_mallory;
SET ROLE regress_rights_mallory;
CREATE TRIGGER mine AFTER INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();
CREATE UNIQUE INDEX ON contact_methods (customer_id, method_type);
CREATE TRIGGER take BEFORE INSERT OR UPDATE ON contact_methods FOR EACH ROW EXECUTE FUNCTION regress_mallory.take();
GRANT INSERT, SELECT ON customers TO regress_rights_owner;
SELECT contact_sync.update_contact_methods();
SET search_path = pg_catalog, regress_rights;
INSERT INTO regress_mallory.customers VALUES (1, 'his');
SET ROLE regress_rights_owner;
-- whoever the client is.
INSERT INTO regress_mallory.customers VALUES (2, 'his');
RESET ROLE;
SELECT customer, sqlstate, message FROM contact_sync.failures ORDER BY customer, message COLLATE "C";
SELECT count(*) FROM log;
DROP TRIGGER take ON regress_mallory.contact_methods;
SET ROLE regress_rights_owner;
INSERT INTO regress_mallory.customers VALUES (3, 'his');
RESET ROLE;
SELECT customer_id, method_type FROM regress_mallory.contact_methods ORDER BY 2;
-- A table of his moved into the schema, even as a partition of customers, writes nothing of the owner's.
DELETE FROM contact_sync.failures;
SET search_path = regress_rights;
SET ROLE regress_rights_mallory;
CREATE TABLE regress_mallory.his (id bigint, phone pg_catalog.varchar(20), whatsapp pg_catalog.varchar(20));
CREATE TRIGGER mine AFTER INSERT OR UPDATE ON regress_mallory.his
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();
RESET ROLE;
CREATE TABLE parts (id bigint, phone varchar(20), whatsapp varchar(20)) PARTITION BY LIST (id);
ALTER TABLE parts OWNER TO regress_rights_owner;
ALTER TABLE parts ATTACH PARTITION regress_mallory.his FOR VALUES IN (1);
GRANT SELECT, INSERT ON parts TO regress_rights_app;
SET ROLE regress_rights_mallory;
INSERT INTO regress_mallory.his VALUES (1, 'his');
SET ROLE regress_rights_app;
INSERT INTO parts VALUES (1, 'his');
RESET ROLE;
SELECT phone_number FROM contact_methods WHERE phone_number = 'his';

-- clean up
DELETE FROM contact_sync.failures;
RESET search_path;
DROP SCHEMA regress_mallory, regress_rights CASCADE;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA contact_sync FROM regress_rights_owner, regress_rights_mallory;
DROP ROLE regress_rights_owner, regress_rights_app, regress_rights_mallory;
