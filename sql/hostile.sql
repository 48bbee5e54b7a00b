--
-- A superuser calls the functions for administrators on tables whose owner has put code wherever PostgreSQL takes some:
-- all of it runs as the owner, none of it gets other rights, and the session is afterwards as it was.
--
\pset format unaligned
\pset footer off
\pset null -
\set SHOW_CONTEXT never
SET client_min_messages = warning;

CREATE ROLE regress_hostile_owner;
CREATE ROLE regress_hostile_app;
CREATE SCHEMA regress_hostile AUTHORIZATION regress_hostile_owner;
GRANT USAGE ON SCHEMA regress_hostile TO regress_hostile_app;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA contact_sync TO regress_hostile_owner;

SET SESSION AUTHORIZATION regress_hostile_owner;
SET search_path = regress_hostile;
-- What ran is told by an advisory lock, which an immutable function may take: its key is a kind of code, and whether it
-- had the owner's rights.
CREATE TABLE kinds (kind int PRIMARY KEY, name text UNIQUE);
INSERT INTO kinds VALUES (1, 'trigger of customers'), (2, 'trigger of contact table'), (3, 'CHECK of customers'),
    (4, 'CHECK of contact table'), (5, 'default'), (6, 'index'), (7, 'policy of customers'),
    (8, 'policy of contact table'), (9, 'domain'), (10, 'cast'), (11, 'operator'), (12, 'rule'),
    (13, 'generated column'), (14, 'condition of a trigger'), (15, 'function named like the server''s own');
CREATE FUNCTION saw(kind int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    PERFORM pg_catalog.pg_advisory_lock(kind, CASE WHEN current_user OPERATOR(pg_catalog.=) 'regress_hostile_owner'
                                                   THEN 1 ELSE 2 END);
    -- Settings, and other rights if there are any to be had
    PERFORM pg_catalog.set_config('search_path', 'regress_hostile', false);
    PERFORM pg_catalog.set_config('work_mem', '64kB', false);
    PERFORM pg_catalog.set_config('regress_hostile.was_here', 'yes', false);
    RETURN true;
END
$$;
CREATE FUNCTION saw() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM regress_hostile.saw(TG_ARGV[0]::pg_catalog.int4);
    BEGIN
        RESET SESSION AUTHORIZATION;
    EXCEPTION WHEN OTHERS THEN
        NULL;
    END;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$;
CREATE DOMAIN number AS text CHECK (regress_hostile.saw(9));
CREATE TYPE made_of_text AS (t text);
CREATE FUNCTION made_of_text(text) RETURNS made_of_text LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN saw(10) THEN ROW($1)::made_of_text END;
CREATE CAST (text AS made_of_text) WITH FUNCTION made_of_text(text) AS ASSIGNMENT;
-- Operators and functions that match better than the server's own, where search_path has this schema
CREATE FUNCTION eq(oid, regclass) RETURNS boolean LANGUAGE sql RETURN saw(11) AND $1 OPERATOR(pg_catalog.=) $2::oid;
CREATE OPERATOR = (FUNCTION = eq, LEFTARG = oid, RIGHTARG = regclass);
CREATE FUNCTION eq(varchar, varchar) RETURNS boolean LANGUAGE sql
    RETURN saw(11) AND $1::text OPERATOR(pg_catalog.=) $2::text;
CREATE OPERATOR = (FUNCTION = eq, LEFTARG = varchar, RIGHTARG = varchar);
CREATE FUNCTION plus(bigint, bigint) RETURNS bigint LANGUAGE sql
    RETURN CASE WHEN saw(11) THEN $1 OPERATOR(pg_catalog.+) $2 END;
CREATE OPERATOR + (FUNCTION = plus, LEFTARG = bigint, RIGHTARG = bigint);
CREATE FUNCTION format(text, name, VARIADIC name[]) RETURNS text LANGUAGE sql RETURN CASE WHEN saw(15) THEN '' END;
CREATE FUNCTION count() RETURNS bigint LANGUAGE sql RETURN CASE WHEN saw(15) THEN 1 END;

CREATE TABLE customers (id int PRIMARY KEY, phone number, whatsapp varchar(20), note text DEFAULT saw(5)::text,
    numbers text GENERATED ALWAYS AS (CASE WHEN saw(13) THEN phone || whatsapp END) STORED, CHECK (saw(3)));
CREATE INDEX customers_index ON customers ((saw(6)), phone);
CREATE TABLE contact_methods (customer_id int NOT NULL, method_type varchar(20) NOT NULL, phone_number number NOT NULL,
    kept made_of_text, seen boolean DEFAULT saw(5), updated_at timestamptz DEFAULT now());
CREATE INDEX methods_index ON contact_methods (customer_id) WHERE saw(6);
CREATE TABLE contact_preferences (customer_id int, seen boolean DEFAULT saw(5), updated_at timestamptz DEFAULT now(),
    CHECK (saw(4)));
INSERT INTO customers SELECT i, '07' || i, '08' || i FROM generate_series(1, 5) AS i;
INSERT INTO contact_methods SELECT i, 'sms', '07' || i FROM generate_series(1, 3) AS i;
INSERT INTO contact_methods VALUES (1, 'sms', '071'), (9, 'sms', '079');
ALTER TABLE contact_methods ADD CONSTRAINT method CHECK (saw(4) AND method_type <> 'phone_call'), ADD CHECK (saw(4));
CREATE TRIGGER saw BEFORE INSERT OR UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION saw(1);
CREATE TRIGGER saw BEFORE INSERT OR UPDATE OR DELETE ON contact_methods FOR EACH ROW EXECUTE FUNCTION saw(2);
CREATE CONSTRAINT TRIGGER late AFTER INSERT OR UPDATE OR DELETE ON contact_methods
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION saw(2);
CREATE TRIGGER saw_statement AFTER INSERT OR UPDATE OR DELETE ON contact_preferences EXECUTE FUNCTION saw(2);
ALTER TABLE customers ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE contact_methods ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY p ON customers USING (saw(7));
CREATE POLICY p ON contact_methods USING (saw(8));
GRANT SELECT, INSERT, UPDATE ON customers TO regress_hostile_app;
RESET SESSION AUTHORIZATION;

-- What is found in the locks and the settings after each call
CREATE FUNCTION regress_hostile.after(call text, OUT ran text, OUT with_other_rights text, OUT settings text, OUT me boolean)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    SELECT string_agg(name, ', ' ORDER BY kind) FILTER (WHERE objid = 1), string_agg(name, ', ' ORDER BY kind) FILTER (WHERE objid = 2)
    INTO ran, with_other_rights
    FROM pg_locks JOIN regress_hostile.kinds ON kind = classid::int
    WHERE locktype = 'advisory' AND pid = pg_backend_pid();
    PERFORM pg_advisory_unlock_all();
    settings := concat_ws(', ', current_setting('work_mem'), current_setting('regress_hostile.was_here', true));
    me := current_user = session_user;
END
$$;
SELECT pg_advisory_unlock_all();
RESET ALL;
SET client_min_messages = warning;
\set VERBOSITY terse

-- the legacy state
SELECT count(*) > 0 AS answered FROM contact_sync.verify('regress_hostile.customers');
SELECT * FROM regress_hostile.after('verify');
SELECT check_name, problem FROM contact_sync.verify('regress_hostile.customers') WHERE status = 'blocked';
SELECT * FROM regress_hostile.after('verify');
SELECT count(*) > 0 AS attached FROM contact_sync.attach('regress_hostile.customers');
SELECT * FROM regress_hostile.after('attach');
SELECT source_table, reason, count(*) FROM regress_hostile.contact_quarantine GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(*) FROM contact_sync.attach('regress_hostile.customers');
SELECT * FROM regress_hostile.after('attach again');
SELECT kind, count(*) FROM contact_sync.drift('regress_hostile.customers') GROUP BY 1 ORDER BY 1;
SELECT * FROM regress_hostile.after('drift');
SELECT count(*) FROM contact_sync.disable('regress_hostile.customers');
SELECT * FROM regress_hostile.after('disable');
SELECT count(*) FROM contact_sync.enable('regress_hostile.customers');
SELECT * FROM regress_hostile.after('enable');
CALL contact_sync.reconcile('regress_hostile.customers', 2);
SELECT * FROM regress_hostile.after('reconcile');
SELECT count(*) FROM contact_sync.drift('regress_hostile.customers');
SELECT * FROM regress_hostile.after('drift');
SELECT count(*) FROM contact_sync.detach('regress_hostile.customers');
SELECT * FROM regress_hostile.after('detach');
SHOW search_path;

-- In one transaction, to its end: nothing is left that would run with other rights then.
BEGIN;
DELETE FROM regress_hostile.contact_methods WHERE customer_id = 1;
DELETE FROM regress_hostile.contact_preferences WHERE customer_id = 2;
INSERT INTO regress_hostile.contact_methods VALUES (3, 'sms', 'again');
COMMIT;
SELECT pg_advisory_unlock_all();
RESET ALL;
SET client_min_messages = warning;
BEGIN;
SELECT count(*) > 0 AS attached FROM contact_sync.attach('regress_hostile.customers');
COMMIT;
SELECT * FROM regress_hostile.after('attach, to the end of the transaction');
CALL contact_sync.reconcile('regress_hostile.customers');
SELECT * FROM regress_hostile.after('reconcile');

-- Nor can it be put off by force.
DELETE FROM regress_hostile.contact_methods WHERE customer_id = 2;
CREATE OR REPLACE FUNCTION regress_hostile.saw() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SET CONSTRAINTS ALL DEFERRED;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$;
ALTER TABLE regress_hostile.contact_methods DROP CONSTRAINT method;
CALL contact_sync.reconcile('regress_hostile.customers');
ALTER TABLE regress_hostile.contact_methods DISABLE TRIGGER saw;
ALTER TABLE regress_hostile.contact_methods ADD CONSTRAINT method CHECK (method_type <> 'phone_call') NOT VALID;

-- A client's change: what the sync runs has the owner's rights as well.
SELECT pg_advisory_unlock_all();
SET SESSION AUTHORIZATION regress_hostile_owner;
DROP TRIGGER saw ON regress_hostile.customers;
DROP INDEX regress_hostile.customers_index;
ALTER TABLE regress_hostile.customers DROP CONSTRAINT customers_check, DROP COLUMN numbers, ALTER phone TYPE text,
    NO FORCE ROW LEVEL SECURITY;
DROP TRIGGER late ON regress_hostile.contact_methods;
RESET SESSION AUTHORIZATION;
SELECT pg_advisory_unlock_all();
RESET ALL;
SET client_min_messages = warning;
UPDATE regress_hostile.customers SET phone = '00', whatsapp = '000';
SELECT * FROM regress_hostile.after('UPDATE');
UPDATE regress_hostile.customers SET whatsapp = '001';
SELECT * FROM regress_hostile.after('UPDATE');
INSERT INTO regress_hostile.customers (id, phone, note) VALUES (6, '06', ''), (7, '07', '');
SELECT * FROM regress_hostile.after('INSERT');
SELECT count(*) FROM contact_sync.drift('regress_hostile.customers');
SELECT customer, sqlstate, message FROM contact_sync.failures ORDER BY 1;

-- clean up
DELETE FROM contact_sync.failures;
DROP SCHEMA regress_hostile CASCADE;
DROP ROLE regress_hostile_app;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA contact_sync FROM regress_hostile_owner;
DROP ROLE regress_hostile_owner;
