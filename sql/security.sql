--
-- Ways in, one test for each that is not in rights.sql (who runs what with whose rights), failures.sql (who reads it)
-- or guard.sql (what the client is told): names and arguments that are SQL, objects planted in the schema of customers,
-- foreign keys, views, policies, and the functions that a DBA calls. The client's settings are in client_settings.sql.
--
\pset format unaligned
\pset footer off
\pset null -
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE ROLE regress_security_owner;
CREATE ROLE regress_security_app;
CREATE ROLE regress_security_mallory;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA contact_sync TO regress_security_owner;
-- What was tripped over, and with whose rights. Everybody may write it.
CREATE SCHEMA regress_security_log;
GRANT USAGE ON SCHEMA regress_security_log TO PUBLIC;
CREATE TABLE regress_security_log.log (what text, as_whom name DEFAULT current_user);
GRANT ALL ON regress_security_log.log TO PUBLIC;
-- As public is on a database that comes from PostgreSQL 14 or before: everybody may create there.
CREATE SCHEMA regress_security AUTHORIZATION regress_security_owner;
GRANT ALL ON SCHEMA regress_security TO PUBLIC;

SET search_path = regress_security;
SET ROLE regress_security_owner;
CREATE TABLE customers (id bigint PRIMARY KEY, name text, phone varchar(20), whatsapp varchar(20));
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers');
GRANT SELECT, INSERT, UPDATE, DELETE ON customers TO regress_security_app, regress_security_mallory;
RESET ROLE;

-- A customer's methods in a line, and whether anything is out of step.
CREATE VIEW methods AS
    SELECT customer_id AS id,
           string_agg(phone_number, ', ' ORDER BY method_type COLLATE "C") AS "phone_call, sms, whatsapp"
    FROM contact_methods GROUP BY customer_id;
\set outcome 'SELECT * FROM regress_security.methods ORDER BY id; SELECT * FROM contact_sync.drift(''regress_security.customers''); SELECT customer, function, sqlstate, message FROM contact_sync.failures ORDER BY customer, message COLLATE "C"; SELECT DISTINCT * FROM regress_security_log.log;'

--
-- Names that are SQL: the schema, the table, its columns
--
CREATE FUNCTION pg_temp.tripped() RETURNS text LANGUAGE sql AS
    $$ INSERT INTO regress_security_log.log VALUES ('a name was run'); SELECT 'tripped'::text $$;
CREATE SCHEMA "regress_security ""'; SELECT pg_temp.tripped(); -- $1 %1$s %I \";
SET search_path = "regress_security ""'; SELECT pg_temp.tripped(); -- $1 %1$s %I \";
CREATE TABLE "c""); SELECT pg_temp.tripped(); -- $sql$ %L \'" (
    "i"" = 0 OR pg_temp.tripped() = '$1' -- " uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    "p"", pg_temp.tripped() AS ""%s \'" varchar(20), "w' || pg_temp.tripped() || '$$ " varchar(20));
SELECT format('%I.%I', schemaname, tablename) AS customers FROM pg_tables WHERE schemaname = current_schema
\gset
CREATE TEMPORARY TABLE hostile AS SELECT a[1] AS id, a[2] AS phone, a[3] AS whatsapp
    FROM (SELECT array_agg(attname ORDER BY attnum) FROM pg_attribute
          WHERE attrelid = :'customers'::regclass AND attnum > 0) AS columns(a);
SELECT quote_ident(phone) AS phone, quote_ident(whatsapp) AS whatsapp FROM hostile
\gset
SELECT DISTINCT status FROM hostile, contact_sync.verify(:'customers', id, phone, whatsapp) ORDER BY 1;
SELECT count(*) > 0 AS attached FROM hostile, contact_sync.attach(:'customers', id, phone, whatsapp);
SELECT status, problem FROM contact_sync.verify(:'customers') WHERE status IN ('fix', 'blocked');
-- the sync, with what a failure says and records of such names
ALTER TABLE contact_methods ADD CONSTRAINT "%s' \ ""good" CHECK (phone_number <> 'bad') NOT VALID;
INSERT INTO :customers VALUES ('00000000-0000-4000-8000-000000000001', '1', NULL),
    ('00000000-0000-4000-8000-000000000002', NULL, '2');
UPDATE :customers SET :phone = 'bad', :whatsapp = '11' WHERE :phone = '1';
UPDATE :customers SET :phone = NULL, :whatsapp = '' WHERE :whatsapp = '2';
SELECT customer, function, sqlstate, message FROM contact_sync.failures WHERE customers_table = :'customers';
-- drift and reconcile, disable and enable, detach
SELECT kind, method, expected, actual FROM contact_sync.drift(:'customers') ORDER BY kind, method;
ALTER TABLE contact_methods DROP CONSTRAINT "%s' \ ""good";
SELECT format('CALL contact_sync.reconcile(%L)', :'customers')
\gexec
SELECT method_type, phone_number FROM contact_methods ORDER BY method_type;
SELECT count(*) FROM contact_sync.failures;
SELECT (SELECT count(*) FROM contact_sync.disable(:'customers'))
     = (SELECT count(*) FROM contact_sync.enable(:'customers')) AS switched;
SELECT count(*) > 0 AS detached FROM contact_sync.detach(:'customers');
SELECT * FROM regress_security_log.log;
-- Rows that cannot stay move to the quarantine all the same.
ALTER TABLE contact_methods DROP CONSTRAINT contact_methods_customer_id_fkey;
INSERT INTO contact_methods (customer_id, method_type, phone_number)
    VALUES (gen_random_uuid(), 'sms', '''); SELECT 1; --');
SELECT count(*) > 0 AS attached FROM hostile, contact_sync.attach(:'customers', id, phone, whatsapp);
SELECT reason, source_table, row_data ->> 'phone_number' AS number FROM contact_quarantine;
SELECT * FROM regress_security_log.log;
DO $$ BEGIN EXECUTE format('DROP SCHEMA %I CASCADE', current_schema); END $$;

--
-- Trigger arguments that are SQL: names of columns, and nothing else.  There are none of such names.
--
SET search_path = regress_security;
CREATE TABLE regress_security_log.customers (id bigint PRIMARY KEY, phone text, whatsapp text);
CREATE TABLE regress_security_log.contact_methods (
    customer_id bigint, method_type text, phone_number text, UNIQUE (customer_id, method_type)
);
CREATE TRIGGER by_sql AFTER INSERT OR UPDATE ON regress_security_log.customers FOR EACH ROW
    EXECUTE FUNCTION contact_sync.update_contact_methods('id', 'pg_temp.tripped()', '(SELECT pg_temp.tripped())');
CREATE TRIGGER by_sql_id AFTER INSERT OR UPDATE ON regress_security_log.customers FOR EACH ROW
    EXECUTE FUNCTION contact_sync.update_contact_methods('id = 1; SELECT pg_temp.tripped(); --');
CREATE TRIGGER before_by_sql BEFORE INSERT OR UPDATE ON regress_security_log.customers FOR EACH ROW
    EXECUTE FUNCTION contact_sync.sync_contact_numbers('id', 'phone, pg_temp.tripped()');
CREATE TRIGGER touch_by_sql BEFORE UPDATE ON regress_security_log.contact_methods FOR EACH ROW
    EXECUTE FUNCTION contact_sync.touch_updated_at('phone_number = pg_temp.tripped(), updated_at');
INSERT INTO regress_security_log.customers VALUES (1, '1');
UPDATE regress_security_log.customers SET phone = '11';
INSERT INTO regress_security_log.contact_methods VALUES (1, 'sms', '1');
UPDATE regress_security_log.contact_methods SET phone_number = '2';
SELECT * FROM regress_security_log.customers, regress_security_log.contact_methods;
SELECT * FROM regress_security_log.log;
DROP TABLE regress_security_log.customers, regress_security_log.contact_methods;

--
-- Planted in the schema of customers, where the body's own search_path goes: operators, functions, types and casts
--
SET ROLE regress_security_mallory;
CREATE FUNCTION trap() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO regress_security_log.log VALUES ('trap');
    RETURN true;
END
$$;
-- Closer to varchar than what pg_catalog has for text
CREATE FUNCTION is_it(varchar, text) RETURNS boolean LANGUAGE sql AS $$ SELECT regress_security.trap() $$;
CREATE FUNCTION is_it(text, varchar) RETURNS boolean LANGUAGE sql AS $$ SELECT regress_security.trap() $$;
CREATE FUNCTION is_it(varchar, varchar) RETURNS boolean LANGUAGE sql AS $$ SELECT regress_security.trap() $$;
CREATE OPERATOR = (FUNCTION = is_it, LEFTARG = varchar, RIGHTARG = text);
CREATE OPERATOR = (FUNCTION = is_it, LEFTARG = text, RIGHTARG = varchar);
CREATE OPERATOR = (FUNCTION = is_it, LEFTARG = varchar, RIGHTARG = varchar);
CREATE OPERATOR <> (FUNCTION = is_it, LEFTARG = varchar, RIGHTARG = text);
CREATE OPERATOR <> (FUNCTION = is_it, LEFTARG = text, RIGHTARG = varchar);
CREATE OPERATOR <> (FUNCTION = is_it, LEFTARG = varchar, RIGHTARG = varchar);
CREATE FUNCTION length(varchar) RETURNS integer LANGUAGE sql AS $$ SELECT regress_security.trap(); SELECT 1 $$;
CREATE FUNCTION btrim(varchar) RETURNS text LANGUAGE sql AS $$ SELECT regress_security.trap(); SELECT 'x'::text $$;
CREATE FUNCTION number(text) RETURNS text LANGUAGE sql AS $$ SELECT regress_security.trap(); SELECT 'x'::text $$;
CREATE FUNCTION number(varchar) RETURNS text LANGUAGE sql AS $$ SELECT regress_security.trap(); SELECT 'x'::text $$;
CREATE FUNCTION format(text, varchar, varchar) RETURNS text LANGUAGE sql AS
    $$ SELECT regress_security.trap(); SELECT 'x'::text $$;
CREATE FUNCTION now(VARIADIC text[]) RETURNS timestamptz LANGUAGE sql AS
    $$ SELECT regress_security.trap(); SELECT '1999-01-01'::timestamptz $$;
CREATE TYPE planted AS (a text);
CREATE FUNCTION plant(varchar) RETURNS planted LANGUAGE sql AS
    $$ SELECT regress_security.trap(); SELECT ROW('x')::regress_security.planted $$;
CREATE FUNCTION uproot(planted) RETURNS text LANGUAGE sql AS $$ SELECT regress_security.trap(); SELECT 'x'::text $$;
CREATE CAST (varchar AS planted) WITH FUNCTION plant(varchar) AS IMPLICIT;
CREATE CAST (planted AS text) WITH FUNCTION uproot(planted) AS IMPLICIT;
-- They are traps indeed,
SELECT 'a'::varchar = 'b'::text AS equals, length('abc'::varchar);
SELECT DISTINCT * FROM regress_security_log.log;
TRUNCATE regress_security_log.log;
-- and what the body does
INSERT INTO customers VALUES (1, 'one', '1', NULL), (2, 'two', '2', '22');
UPDATE customers SET phone = '11' WHERE id = 1;
UPDATE customers SET phone = NULL, whatsapp = NULL WHERE id = 2;
RESET ROLE;
:outcome
-- or what a DBA calls with such a search_path does not trip over them.
SET search_path = regress_security, pg_catalog;
UPDATE customers SET phone = '12' WHERE id OPERATOR(pg_catalog.=) 1;
ALTER TABLE contact_methods DROP CONSTRAINT contact_methods_customer_id_fkey;
INSERT INTO contact_methods (customer_id, method_type, phone_number) VALUES (3, 'sms', '3');
SELECT status, check_name, problem FROM contact_sync.verify('customers')
    WHERE status OPERATOR(pg_catalog.<>) 'ok'::text;
SELECT check_name FROM contact_sync.attach('customers');
SELECT count(*) OPERATOR(pg_catalog.>) 0 AS disabled FROM contact_sync.disable('customers');
UPDATE customers SET phone = '13' WHERE id OPERATOR(pg_catalog.=) 1;
SELECT method, expected, actual FROM contact_sync.drift('customers') ORDER BY 1;
SELECT count(*) OPERATOR(pg_catalog.>) 0 AS enabled FROM contact_sync.enable('customers');
CALL contact_sync.reconcile('customers');
SELECT count(*) OPERATOR(pg_catalog.>) 0 AS detached FROM contact_sync.detach('customers');
SELECT count(*) OPERATOR(pg_catalog.>) 0 AS attached FROM contact_sync.attach('customers');
:outcome
-- Nor do temporary ones of any kind come in the way.
SET search_path = pg_temp, regress_security, pg_catalog;
CREATE TEMPORARY TABLE contact_methods (LIKE regress_security.contact_methods);
CREATE TEMPORARY TABLE contact_preferences (LIKE regress_security.contact_preferences);
CREATE TEMPORARY TABLE failures (LIKE contact_sync.failures);
CREATE TEMPORARY TABLE pg_class (LIKE pg_catalog.pg_class);
CREATE TEMPORARY TABLE pg_trigger (LIKE pg_catalog.pg_trigger);
CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (regress_security.trap());
CREATE DOMAIN pg_temp."regclass" AS oid CHECK (regress_security.trap());
UPDATE regress_security.customers SET phone = '14' WHERE id OPERATOR(pg_catalog.=) 1;
SELECT count(*) FROM contact_sync.verify('regress_security.customers')
    WHERE status OPERATOR(pg_catalog.=) 'fix'::pg_catalog.text;
CALL contact_sync.reconcile('regress_security.customers');
:outcome
SELECT (SELECT count(*) FROM pg_temp.contact_methods) AS methods, (SELECT count(*) FROM pg_temp.failures) AS failures;
DROP TABLE pg_temp.contact_methods, pg_temp.contact_preferences, pg_temp.failures, pg_temp.pg_class, pg_temp.pg_trigger;
DROP DOMAIN pg_temp.text, pg_temp."regclass";
-- The customers a name finds are those of the caller's search_path; a temporary table is no shop's.
CREATE TEMPORARY TABLE customers (id bigint PRIMARY KEY, phone pg_catalog.text, whatsapp pg_catalog.text);
SELECT status, problem FROM contact_sync.verify() WHERE status OPERATOR(pg_catalog.=) 'blocked'::pg_catalog.text;
DROP TABLE pg_temp.customers;
SET search_path = regress_security;
SET ROLE regress_security_mallory;
DROP FUNCTION is_it(varchar, text), is_it(text, varchar), is_it(varchar, varchar), length(varchar), btrim(varchar),
    number(text), number(varchar), format(text, varchar, varchar), now(VARIADIC text[]) CASCADE;
DROP TYPE planted CASCADE;
RESET ROLE;

--
-- A foreign key of somebody else's table: what it does there to rows that refer fires that table's AFTER triggers, before
-- PostgreSQL 18 with the owner's rights (foreign_key_triggers.sql). Without triggers the contact table is written.
--
GRANT SELECT, REFERENCES ON contact_methods TO regress_security_mallory;
CREATE SCHEMA regress_security_mallory AUTHORIZATION regress_security_mallory;
SET ROLE regress_security_mallory;
CREATE FUNCTION regress_security_mallory.take() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO regress_security_log.log VALUES ('a claim was taken');
    RETURN NULL;
END
$$;
CREATE TABLE regress_security_mallory.claims (
    customer_id bigint, method_type varchar(20),
    CONSTRAINT claim FOREIGN KEY (customer_id, method_type)
        REFERENCES regress_security.contact_methods (customer_id, method_type) ON DELETE CASCADE
);
CREATE TRIGGER take AFTER UPDATE OR DELETE ON regress_security_mallory.claims
    FOR EACH ROW EXECUTE FUNCTION regress_security_mallory.take();
INSERT INTO regress_security_mallory.claims VALUES (1, 'whatsapp');
RESET ROLE;
-- However the rows are changed, and in a session that knows the table as it was before
ALTER TABLE regress_security_mallory.claims DISABLE TRIGGER take;
DELETE FROM regress_security_mallory.claims;
ALTER TABLE regress_security_mallory.claims ENABLE TRIGGER take, DROP CONSTRAINT claim;
UPDATE customers SET whatsapp = '15' WHERE id = 1;
UPDATE customers SET phone = '15' WHERE id = 1;
DO $$
DECLARE
    action text;
    n integer := 20;
BEGIN
    FOREACH action IN ARRAY '{ON DELETE SET NULL, ON DELETE SET DEFAULT, ON UPDATE CASCADE, ON UPDATE SET NULL,
                              ON UPDATE SET DEFAULT, ON DELETE RESTRICT ON UPDATE NO ACTION}'::text[] LOOP
        SET LOCAL ROLE regress_security_mallory;
        EXECUTE 'ALTER TABLE regress_security_mallory.claims ADD CONSTRAINT claim '
                'FOREIGN KEY (customer_id, method_type) '
                'REFERENCES regress_security.contact_methods (customer_id, method_type) ' || action;
        SET LOCAL ROLE regress_security_app;
        n := n + 1;
        UPDATE regress_security.customers SET phone = n WHERE id = 1;
        SET LOCAL ROLE regress_security_mallory;
        INSERT INTO regress_security_mallory.claims VALUES (1, 'whatsapp');
        SET LOCAL ROLE regress_security_app;
        UPDATE regress_security.customers SET whatsapp = NULL WHERE id = 1;
        UPDATE regress_security.customers SET whatsapp = '15' WHERE id = 1;
        RESET ROLE;
        TRUNCATE regress_security_mallory.claims;
        INSERT INTO regress_security_log.log
            SELECT action || ': ' || phone_number FROM regress_security.contact_methods
            WHERE (customer_id, method_type) = (1, 'sms');
        ALTER TABLE regress_security_mallory.claims DROP CONSTRAINT claim;
    END LOOP;
END
$$;
SELECT what FROM regress_security_log.log;
TRUNCATE regress_security_log.log;
-- A key to a table of the owner's, which refers to the contact table in its turn
SET ROLE regress_security_owner;
CREATE TABLE notes (
    customer_id bigint, method_type varchar(20), note text, UNIQUE (customer_id, method_type),
    CONSTRAINT noted FOREIGN KEY (customer_id, method_type) REFERENCES contact_methods (customer_id, method_type)
        ON DELETE CASCADE
);
GRANT SELECT, REFERENCES, TRIGGER ON notes TO regress_security_mallory;
SET ROLE regress_security_app;
UPDATE customers SET phone = 'noted' WHERE id = 1;
SET ROLE regress_security_mallory;
ALTER TABLE regress_security_mallory.claims ADD CONSTRAINT claim FOREIGN KEY (customer_id, method_type)
    REFERENCES notes (customer_id, method_type) ON DELETE SET NULL;
SET ROLE regress_security_app;
UPDATE customers SET phone = 'claimed' WHERE id = 1;
RESET ROLE;
-- Since PostgreSQL 18 what a foreign key does fires AFTER triggers with the rights of the table's own owner.
SELECT (count(*) > 0) = (current_setting('server_version_num')::int < 180000) AS told_where_it_matters
    FROM contact_sync.verify('customers') WHERE (check_name, status) = ('untrusted_trigger', 'blocked');
ALTER TABLE regress_security_mallory.claims DROP CONSTRAINT claim;
SELECT phone_number FROM contact_methods WHERE (customer_id, method_type) = (1, 'sms');
-- or with a trigger on that
SET ROLE regress_security_app;
UPDATE customers SET phone = 'not claimed' WHERE id = 1;
SET ROLE regress_security_mallory;
CREATE TRIGGER take AFTER DELETE ON notes FOR EACH ROW EXECUTE FUNCTION regress_security_mallory.take();
SET ROLE regress_security_app;
UPDATE customers SET phone = 'taken' WHERE id = 1;
SET ROLE regress_security_owner;
INSERT INTO notes VALUES (1, 'sms');
SET ROLE regress_security_app;
UPDATE customers SET phone = NULL, whatsapp = NULL WHERE id = 1;
RESET ROLE;
SELECT phone_number FROM contact_methods WHERE (customer_id, method_type) = (1, 'sms');
SELECT * FROM regress_security_log.log;
SELECT customer, sqlstate, message FROM contact_sync.failures;
DROP TABLE notes;
CALL contact_sync.reconcile('customers');
UPDATE customers SET phone = '15', whatsapp = '15' WHERE id = 1;
-- What it refuses is a failure.
SET ROLE regress_security_mallory;
ALTER TABLE regress_security_mallory.claims ADD CONSTRAINT claim FOREIGN KEY (customer_id, method_type)
    REFERENCES regress_security.contact_methods (customer_id, method_type);
INSERT INTO regress_security_mallory.claims VALUES (1, 'sms');
SET ROLE regress_security_app;
UPDATE customers SET whatsapp = NULL, phone = NULL WHERE id = 1;
RESET ROLE;
:outcome
DROP TABLE regress_security_mallory.claims;
REVOKE SELECT, REFERENCES ON contact_methods FROM regress_security_mallory;
CALL contact_sync.reconcile('customers');

--
-- Views over customers: the app needs no right on the table behind them, and the sync none on the view.  Nor does the
-- role need any on contact data whose function takes the place of a view's statement.
--
REVOKE ALL ON customers FROM regress_security_app;
INSERT INTO customers VALUES (4, 'four', '4');
SET ROLE regress_security_owner;
CREATE VIEW barrier WITH (security_barrier) AS SELECT * FROM customers WHERE name <> 'hidden';
CREATE VIEW instead AS SELECT id, concat_ws('/', phone, whatsapp) AS numbers FROM customers;
SET ROLE regress_security_mallory;
CREATE FUNCTION instead() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = regress_security, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO customers
            VALUES (NEW.id, 'by a view', split_part(NEW.numbers, '/', 1), split_part(NEW.numbers, '/', 2));
    ELSE
        UPDATE customers SET phone = split_part(NEW.numbers, '/', 1), whatsapp = split_part(NEW.numbers, '/', 2)
            WHERE id = OLD.id;
    END IF;
    RETURN NEW;
END
$$;
SET ROLE regress_security_owner;
CREATE TRIGGER instead INSTEAD OF INSERT OR UPDATE ON instead FOR EACH ROW EXECUTE FUNCTION instead();
GRANT ALL ON barrier, instead TO regress_security_app;
SET ROLE regress_security_app;
UPDATE customers SET phone = '41';
UPDATE barrier SET phone = '42', name = 'hidden' WHERE id = 4;
INSERT INTO barrier VALUES (5, 'five', NULL, '5'), (6, 'six', '6', NULL);
INSERT INTO instead VALUES (8, '8/88'), (9, '9/');
UPDATE instead SET numbers = '/' WHERE id = 8;
SELECT count(*) FROM contact_methods;
RESET ROLE;
:outcome
-- Our functions on the view itself do nothing, and say so.
CREATE TRIGGER on_view INSTEAD OF UPDATE ON barrier FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();
SET ROLE regress_security_app;
UPDATE barrier SET phone = '55' WHERE id = 5;
RESET ROLE;
SELECT phone FROM barrier WHERE id = 5;
DROP VIEW barrier, instead;

--
-- Policies with side effects: those of customers are met by the client alone, those of contact tables by nobody's sync.
--
GRANT SELECT, INSERT, UPDATE, DELETE ON customers TO regress_security_app;
GRANT SELECT, UPDATE ON contact_methods, contact_preferences TO regress_security_app;
SET ROLE regress_security_mallory;
CREATE FUNCTION regress_security.told(what text) RETURNS boolean LANGUAGE plpgsql COST 1 AS $$
BEGIN
    INSERT INTO regress_security_log.log VALUES (what);
    RETURN true;
END
$$;
SET ROLE regress_security_owner;
ALTER TABLE customers ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY seen ON customers FOR SELECT USING (told('customers, seen'));
CREATE POLICY changed ON customers FOR UPDATE USING (told('customers, changed'))
    WITH CHECK (told('customers, checked'));
CREATE POLICY added ON customers FOR INSERT WITH CHECK (told('customers, added'));
ALTER TABLE contact_methods FORCE ROW LEVEL SECURITY;
CREATE POLICY watched ON contact_methods USING (told('methods')) WITH CHECK (told('methods'));
CREATE POLICY watched ON contact_preferences USING (told('preferences')) WITH CHECK (told('preferences'));
SET ROLE regress_security_app;
INSERT INTO customers VALUES (10, 'ten', '10');
UPDATE customers SET phone = '11' WHERE id = 10;
-- A row that another trigger of the statement has replaced is looked up again: as the owner, past the policies.
RESET ROLE;
CREATE FUNCTION nested() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = regress_security, pg_temp AS $$
BEGIN UPDATE customers SET phone = NEW.phone || '1' WHERE id = NEW.id; RETURN NULL; END $$;
CREATE TRIGGER a_nested AFTER UPDATE ON customers FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION nested();
SET ROLE regress_security_app;
UPDATE customers SET phone = '12' WHERE id = 10;
RESET ROLE;
DROP TRIGGER a_nested ON customers;
SELECT DISTINCT * FROM regress_security_log.log ORDER BY 1;
SELECT * FROM methods WHERE id = 10;
SELECT customer, message FROM contact_sync.failures ORDER BY customer, message COLLATE "C";
SET ROLE regress_security_owner;
DROP POLICY seen ON customers;
DROP POLICY changed ON customers;
DROP POLICY added ON customers;
DROP POLICY watched ON contact_methods;
DROP POLICY watched ON contact_preferences;
ALTER TABLE customers DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;
ALTER TABLE contact_methods NO FORCE ROW LEVEL SECURITY;
RESET ROLE;
TRUNCATE regress_security_log.log;

-- clean up
DELETE FROM contact_sync.failures;
RESET search_path;
DROP SCHEMA regress_security, regress_security_log, regress_security_mallory CASCADE;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA contact_sync FROM regress_security_owner;
DROP ROLE regress_security_owner, regress_security_app, regress_security_mallory;
