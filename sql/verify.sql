--
-- verify: one row a check; what is wrong, and the SQL that mends it.
--
-- Each broken state is made in a transaction of its own that is rolled back: first what verify says of it, then what
-- verify says after attach.
--
\getenv abs_srcdir PG_ABS_SRCDIR
\set legacy :abs_srcdir '/test/fixtures/legacy.sql'
\set legacy_data :abs_srcdir '/test/fixtures/legacy_data.sql'
\pset format unaligned
\pset footer off
\set SHOW_CONTEXT never
SET client_min_messages = warning;

CREATE ROLE regress_contact_app;
CREATE ROLE regress_contact_other;
CREATE ROLE regress_contact_super SUPERUSER;
CREATE SCHEMA regress_verify;
SET search_path = regress_verify;
\set ECHO none
\i :legacy
\i :legacy_data
\set ECHO all

-- What is wrong, and what is worth doing.
CREATE FUNCTION wrong(customers regclass DEFAULT 'customers',
                      OUT status text, OUT check_name text, OUT object text, OUT problem text) RETURNS SETOF record
BEGIN ATOMIC
    SELECT v.status, v.check_name, replace(v.object, 'regress_verify.', ''), replace(v.problem, 'regress_verify.', '')
    FROM contact_sync.verify(customers) WITH ORDINALITY AS v(check_name, object, status, problem, fix, place)
    WHERE v.status IN ('blocked', 'fix') ORDER BY v.place;
END;
CREATE FUNCTION advised(OUT check_name text, OUT object text, OUT problem text, OUT fix text) RETURNS SETOF record
BEGIN ATOMIC
    SELECT v.check_name, replace(v.object, 'regress_verify.', ''), replace(v.problem, 'regress_verify.', ''),
           replace(v.fix, 'regress_verify.', '')
    FROM contact_sync.verify('customers') WITH ORDINALITY AS v(check_name, object, status, problem, fix, place)
    WHERE v.status = 'advice' ORDER BY v.place;
END;

--
-- A legacy database
--
-- Every check has a row, also where all is well.
SELECT check_name, status, count(*) FROM contact_sync.verify('customers') GROUP BY 1, 2 ORDER BY 1, 2;
-- SQL stands where something can be mended by it, a problem wherever something is wrong, and neither where all is well.
SELECT status, bool_and(problem IS NOT NULL) AS problem, bool_and(fix IS NOT NULL) AS fix,
       bool_or(fix IS NOT NULL) AS any_fix
FROM contact_sync.verify('customers') GROUP BY status ORDER BY status;
SELECT * FROM wrong();
SELECT * FROM advised();

-- verify changes nothing: it runs in a transaction that is read only.
BEGIN READ ONLY;
SELECT count(*) > 0 AS verified FROM contact_sync.verify('customers');
COMMIT;

-- From here on the database is attached, and nothing is wrong with it.
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers');
SELECT * FROM wrong();

--
-- Blocked: the table itself
--
SELECT * FROM contact_sync.verify(NULL);
SELECT * FROM contact_sync.verify('customers', rls => 'open');
SELECT * FROM contact_sync.verify('customers', rls => NULL);
SELECT check_name, object, status, problem FROM contact_sync.verify('customers', 'no such column') WHERE status <> 'ok';
SELECT check_name, object, status, problem FROM contact_sync.verify('customers', 'id', 'mobile', 'line')
    WHERE status <> 'ok' AND check_name LIKE 'number_column%';
SELECT * FROM wrong('contact_methods');

BEGIN;
CREATE VIEW customers_view AS SELECT * FROM customers;
CREATE MATERIALIZED VIEW customers_copy AS SELECT * FROM customers;
CREATE TABLE customers_parts (id bigint PRIMARY KEY, phone text, whatsapp text) PARTITION BY RANGE (id);
CREATE TABLE customers_part PARTITION OF customers_parts FOR VALUES FROM (0) TO (10);
CREATE TEMPORARY TABLE customers_temp (id bigint PRIMARY KEY, phone text, whatsapp text);
SELECT * FROM wrong('customers_view');
SELECT * FROM wrong('customers_copy');
SELECT * FROM wrong('customers_part') WHERE check_name = 'customers_table';
SELECT check_name, problem FROM wrong('customers_temp') WHERE check_name = 'customers_table';
ROLLBACK;

-- The key: a unique index that a foreign key can refer to, on the id alone.
BEGIN;
CREATE TABLE no_key (id bigint, tenant bigint, phone text, whatsapp text);
SELECT status, problem FROM wrong('no_key');
CREATE UNIQUE INDEX ON no_key (id, tenant);
CREATE UNIQUE INDEX ON no_key (id) WHERE tenant IS NULL;
CREATE UNIQUE INDEX ON no_key ((id + 0));
ALTER TABLE no_key ADD CONSTRAINT late UNIQUE (id) DEFERRABLE;
SELECT status, problem FROM wrong('no_key');
CREATE UNIQUE INDEX ON no_key (id) INCLUDE (tenant);
SELECT status, problem FROM wrong('no_key') WHERE check_name = 'customers_key';
ROLLBACK;

-- A partitioned table whose key is wider than the id has no such index.
BEGIN;
CREATE TABLE parts (id bigint, region int, phone text, whatsapp text, PRIMARY KEY (id, region))
    PARTITION BY LIST (region);
SELECT * FROM wrong('parts');
ROLLBACK;

-- The caller
BEGIN;
GRANT USAGE ON SCHEMA regress_verify TO regress_contact_other;
SET LOCAL ROLE regress_contact_other;
SELECT * FROM contact_sync.verify('customers');
ROLLBACK;
BEGIN;      -- whoever owns the tables may need no more than the right to use the functions
ALTER TABLE customers OWNER TO regress_contact_other;
ALTER TABLE contact_methods OWNER TO regress_contact_other;
ALTER TABLE contact_preferences OWNER TO regress_contact_other;
ALTER TABLE contact_history OWNER TO regress_contact_other;
GRANT USAGE ON SCHEMA regress_verify TO regress_contact_other;
SET LOCAL ROLE regress_contact_other;
SELECT * FROM wrong();
DROP TRIGGER trigger_update_contact_methods ON customers;
SELECT * FROM wrong();
DROP TABLE contact_history;
SELECT * FROM wrong() WHERE status = 'blocked';
ROLLBACK;

--
-- Contact tables
--
BEGIN;
DROP TABLE contact_history;
SELECT * FROM wrong();
SELECT count(*) FROM contact_sync.attach('customers');
SELECT * FROM wrong();
ROLLBACK;

BEGIN;
DROP TABLE contact_history;
CREATE VIEW contact_history AS SELECT * FROM contact_methods;
SELECT * FROM wrong();
ROLLBACK;

-- Another owner's table: the sync does not write it, and nothing more is said of it. Who has not the rights of customers'
-- owner may have planted it; who has them may give it.
BEGIN;
ALTER TABLE contact_methods OWNER TO regress_contact_other;
ALTER TABLE contact_methods DROP COLUMN is_available;
SELECT status, check_name, object, regexp_replace(problem, ', that.*:', ', ...:') AS problem, fix
    FROM contact_sync.verify('customers') WHERE status <> 'ok';
SELECT count(*) FROM contact_sync.attach('customers');
ROLLBACK;
BEGIN;
ALTER TABLE contact_methods OWNER TO regress_contact_super;
ALTER TABLE contact_methods DROP COLUMN is_available;
SELECT status, check_name, object, regexp_replace(problem, ', that.*:', ', ...:') AS problem, fix <> '' AS fix
    FROM contact_sync.verify('customers') WHERE status <> 'ok';
SELECT check_name FROM contact_sync.attach('customers');
SELECT * FROM wrong();
ROLLBACK;
-- An owner who is no superuser cannot take what a superuser has: that is blocked, with the SQL to run.
BEGIN;
ALTER TABLE customers OWNER TO regress_contact_other;
ALTER TABLE contact_preferences OWNER TO regress_contact_other;
ALTER TABLE contact_history OWNER TO regress_contact_other;
GRANT USAGE ON SCHEMA regress_verify TO regress_contact_other;
SELECT status, check_name, regexp_replace(problem, ', that.*:', ', ...:') AS problem, fix
    FROM contact_sync.verify('customers') WHERE status <> 'ok';
SELECT fix FROM contact_sync.verify('customers') WHERE status = 'blocked' \gexec
SELECT * FROM wrong();
ROLLBACK;

-- Code of somebody who lacks the rights of customers' owner would run with these rights: a trigger,
BEGIN;
CREATE FUNCTION trap() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION lure(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE TRIGGER trap BEFORE INSERT ON contact_methods FOR EACH ROW EXECUTE FUNCTION trap();
SELECT * FROM wrong();
ALTER FUNCTION trap() OWNER TO regress_contact_other;
SELECT status, check_name, object, regexp_replace(problem, 'rights of \w+', 'rights of ...') AS problem FROM wrong();
-- unless its function has its own owner's rights;
ALTER FUNCTION trap() SECURITY DEFINER;
SELECT * FROM wrong();
-- ... a trigger of a table that a foreign key writes along,
ALTER FUNCTION trap() SECURITY INVOKER;
ALTER TRIGGER trap ON contact_methods RENAME TO harmless;
ALTER TABLE contact_methods DISABLE TRIGGER harmless;
CREATE TABLE claims (id uuid REFERENCES contact_methods ON DELETE SET NULL);
CREATE TRIGGER trap AFTER UPDATE ON claims FOR EACH ROW EXECUTE FUNCTION trap();
SELECT status, check_name, object, regexp_replace(problem, 'rights of \w+', 'rights of ...') AS problem FROM wrong();
DROP TABLE claims;
-- ... a condition.
ALTER FUNCTION trap() OWNER TO SESSION_USER;
CREATE TRIGGER trap BEFORE INSERT ON contact_methods FOR EACH ROW WHEN (lure(NEW.method_type)) EXECUTE FUNCTION trap();
SELECT status, check_name, object, regexp_replace(problem, 'rights of \w+', 'rights of ...') AS problem FROM wrong();
-- One that compares rows or calls the server's own functions is none of that.
CREATE OR REPLACE TRIGGER trap BEFORE UPDATE ON contact_methods FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.* AND pg_trigger_depth() < 2 AND length(NEW.phone_number) > 0)
    EXECUTE FUNCTION trap();
SELECT * FROM wrong();
CREATE TYPE mood AS ENUM ('good');
ALTER TABLE contact_methods ADD COLUMN mood mood;
SELECT * FROM wrong();
CREATE TYPE moods AS (mood mood);
ALTER TABLE contact_methods ADD COLUMN moods moods;
SELECT status, check_name, object, regexp_replace(problem, 'rights of \w+', 'rights of ...') AS problem FROM wrong();
DROP TRIGGER trap ON contact_methods;
-- What the owner of customers has made of a table is his own affair: constraints, indexes, defaults, rules, domains.
ALTER TABLE contact_methods ADD CONSTRAINT bait CHECK (lure(method_type));
CREATE INDEX bait_index ON contact_methods (lure(method_type));
ALTER TABLE contact_history ALTER COLUMN content SET DEFAULT query_to_xml('SELECT 1', false, false, '')::text;
CREATE RULE bait AS ON DELETE TO contact_preferences DO ALSO SELECT lure('');
CREATE DOMAIN note AS text CHECK (lure(VALUE));
ALTER DOMAIN note OWNER TO regress_contact_other;
ALTER TABLE contact_preferences ADD COLUMN note note;
SELECT * FROM wrong();
ROLLBACK;

-- Columns: those that have a default come back, with it;
BEGIN;
ALTER TABLE contact_methods DROP COLUMN is_available, DROP COLUMN last_verified, DROP COLUMN updated_at;
ALTER TABLE contact_preferences ALTER COLUMN language DROP DEFAULT, DROP COLUMN id;
ALTER TABLE contact_history DROP COLUMN status;
SELECT * FROM wrong();
SELECT object, fix FROM contact_sync.attach('customers');
SELECT * FROM wrong();
ROLLBACK;
-- ... those that tell what a row means do only where there are no rows.
BEGIN;
ALTER TABLE contact_methods DROP COLUMN phone_number;
ALTER TABLE contact_preferences DROP COLUMN customer_id CASCADE;
SELECT * FROM wrong();
DELETE FROM contact_methods;
DELETE FROM contact_preferences;
SELECT * FROM wrong();
SELECT object, fix FROM contact_sync.attach('customers') WHERE check_name LIKE '%column' OR check_name LIKE '%key';
SELECT * FROM wrong();
ROLLBACK;

-- The type of customer_id
BEGIN;
DROP TABLE contact_history;
CREATE TABLE contact_history (customer_id text);
SELECT * FROM wrong() WHERE status = 'blocked';
ROLLBACK;
BEGIN;      -- a domain over the id's type is that type
CREATE DOMAIN key AS uuid;
DROP TABLE contact_history;
CREATE TABLE contact_history (customer_id key);
SELECT * FROM wrong() WHERE status = 'blocked';
ROLLBACK;

-- The type of phone_number: wide enough for what it copies
BEGIN;
ALTER TABLE customers ALTER COLUMN whatsapp TYPE varchar(21);
SELECT * FROM wrong();
SELECT fix FROM contact_sync.attach('customers');
SELECT * FROM wrong();
ROLLBACK;
BEGIN;      -- a domain over a short type is short
CREATE DOMAIN short AS varchar(15);
ALTER TABLE customers ALTER COLUMN phone TYPE short, ALTER COLUMN whatsapp TYPE short;
ALTER TABLE contact_methods ALTER COLUMN phone_number TYPE short;
SELECT * FROM wrong();
ALTER TABLE customers ALTER COLUMN phone TYPE text;
SELECT * FROM wrong();
ROLLBACK;
BEGIN;      -- a view that shows it does not let its type change
ALTER TABLE customers ALTER COLUMN whatsapp TYPE text;
CREATE VIEW numbers AS SELECT phone_number FROM contact_methods;
SELECT * FROM wrong();
ROLLBACK;
BEGIN;
DELETE FROM contact_methods;
ALTER TABLE contact_methods ALTER COLUMN phone_number TYPE bigint USING NULL;
SELECT * FROM wrong();
ROLLBACK;

-- Unique keys
BEGIN;
ALTER TABLE contact_methods DROP CONSTRAINT contact_methods_customer_id_method_type_key;
ALTER TABLE contact_preferences DROP CONSTRAINT contact_preferences_customer_id_key;
SELECT * FROM wrong();
SELECT fix FROM contact_sync.attach('customers');
SELECT * FROM wrong();
ROLLBACK;
BEGIN;      -- columns in any order; an index is as good as a constraint
ALTER TABLE contact_methods DROP CONSTRAINT contact_methods_customer_id_method_type_key;
CREATE UNIQUE INDEX ON contact_methods (method_type, customer_id);
SELECT * FROM wrong();
ROLLBACK;
BEGIN;      -- but not one over some of the rows, or over more columns
ALTER TABLE contact_methods DROP CONSTRAINT contact_methods_customer_id_method_type_key;
CREATE UNIQUE INDEX ON contact_methods (customer_id, method_type) WHERE is_available;
CREATE UNIQUE INDEX ON contact_methods (customer_id, method_type, phone_number);
SELECT * FROM wrong();
ROLLBACK;

-- Foreign keys
BEGIN;
ALTER TABLE contact_methods DROP CONSTRAINT contact_methods_customer_id_fkey;
ALTER TABLE contact_history DROP CONSTRAINT contact_history_customer_id_fkey;
DELETE FROM contact_history;
ALTER TABLE contact_preferences DROP CONSTRAINT contact_preferences_customer_id_fkey,
    ADD FOREIGN KEY (customer_id) REFERENCES customers ON UPDATE CASCADE ON DELETE SET NULL;
SELECT * FROM wrong();
SELECT fix FROM contact_sync.attach('customers');
SELECT * FROM wrong();
ROLLBACK;
-- One that is made anew is what it was: other tools know it by its name, and count on its being deferrable.
BEGIN;
ALTER TABLE contact_methods DROP CONSTRAINT contact_methods_customer_id_fkey,
    ADD CONSTRAINT "FK_5f1c" FOREIGN KEY (customer_id) REFERENCES customers ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED;
COMMENT ON CONSTRAINT "FK_5f1c" ON contact_methods IS 'of an ORM';
ALTER TABLE contact_preferences DROP CONSTRAINT contact_preferences_customer_id_fkey,
    ADD CONSTRAINT one FOREIGN KEY (customer_id) REFERENCES customers DEFERRABLE,
    ADD CONSTRAINT two FOREIGN KEY (customer_id) REFERENCES customers ON DELETE SET NULL,
    ADD CONSTRAINT three FOREIGN KEY (customer_id) REFERENCES customers ON DELETE CASCADE ON UPDATE CASCADE;
-- History may be kept longer than its customer.
ALTER TABLE contact_history DROP CONSTRAINT contact_history_customer_id_fkey,
    ADD CONSTRAINT kept FOREIGN KEY (customer_id) REFERENCES customers ON DELETE SET NULL;
SELECT fix FROM contact_sync.attach('customers') WHERE check_name = 'foreign_key';
SELECT conname, pg_get_constraintdef(oid), obj_description(oid, 'pg_constraint') FROM pg_constraint
    WHERE contype = 'f' AND conrelid IN ('contact_preferences'::regclass, 'contact_methods'::regclass, 'contact_history'::regclass)
    ORDER BY conname COLLATE "C";
SELECT * FROM wrong();
ROLLBACK;
BEGIN;
CREATE TABLE people (id uuid PRIMARY KEY);
ALTER TABLE contact_methods ADD CONSTRAINT to_people FOREIGN KEY (customer_id) REFERENCES people NOT VALID;
SELECT * FROM wrong();
ROLLBACK;

-- updated_at, where nothing keeps it
BEGIN;
DROP TRIGGER update_contact_methods_updated_at ON contact_methods;
SELECT * FROM wrong();
SELECT fix FROM contact_sync.attach('customers');
SELECT * FROM wrong();
ROLLBACK;

--
-- Triggers
--
BEGIN;
ALTER TABLE customers DISABLE TRIGGER trigger_sync_contact_numbers;
ALTER TABLE customers ENABLE REPLICA TRIGGER trigger_update_contact_methods;
ALTER TABLE customers ENABLE ALWAYS TRIGGER trigger_initialize_contact_preferences;
SELECT * FROM wrong();
SELECT fix FROM contact_sync.attach('customers');
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'customers'::regclass AND tgname LIKE 'trigger%' ORDER BY 1;
ROLLBACK;

-- Made for another time, level, event, column, condition or other arguments
BEGIN;
DROP TRIGGER trigger_sync_contact_numbers ON customers;
DROP TRIGGER trigger_initialize_contact_preferences ON customers;
DROP TRIGGER trigger_update_contact_methods ON customers;
DROP TRIGGER trigger_update_contact_methods_statement ON customers;
CREATE TRIGGER numbers AFTER INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.sync_contact_numbers();
CREATE TRIGGER preferences AFTER INSERT ON customers
    FOR EACH STATEMENT EXECUTE FUNCTION contact_sync.initialize_contact_preferences();
CREATE TRIGGER methods AFTER INSERT OR UPDATE OF phone ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();
SELECT * FROM wrong();
SELECT fix FROM contact_sync.attach('customers');
SELECT * FROM wrong();
ROLLBACK;
BEGIN;      -- under another name is well; twice is not
CREATE TRIGGER again AFTER INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods('id', 'phone', 'whatsapp');
SELECT * FROM wrong();
DROP TRIGGER trigger_update_contact_methods ON customers;
SELECT * FROM wrong();
CREATE TRIGGER sometimes AFTER INSERT OR UPDATE ON customers
    FOR EACH ROW WHEN (NEW.name <> '') EXECUTE FUNCTION contact_sync.update_contact_methods();
CREATE TRIGGER others AFTER INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods('id', 'email');
SELECT * FROM wrong();
SELECT fix FROM contact_sync.attach('customers', 'id', 'phone', 'whatsapp');
SELECT * FROM wrong();
ROLLBACK;
BEGIN;      -- a stranger under our trigger's name
DROP TRIGGER trigger_update_contact_methods ON customers;
CREATE TRIGGER trigger_update_contact_methods BEFORE UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
SELECT * FROM wrong();
ROLLBACK;
BEGIN;      -- legacy triggers beside ours, of whatever name
CREATE TRIGGER old_methods AFTER INSERT ON customers FOR EACH ROW EXECUTE FUNCTION update_contact_methods();
SELECT * FROM wrong();
SELECT fix FROM contact_sync.attach('customers');
SELECT * FROM wrong();
ROLLBACK;

-- Columns that nobody names are those our triggers were told of.
BEGIN;
ALTER TABLE customers RENAME phone TO mobile;
SELECT count(*) FROM contact_sync.attach('customers', phone_column => 'mobile');
SELECT * FROM wrong();
SELECT check_name, object, problem FROM contact_sync.verify('customers', phone_column => 'phone')
    WHERE status <> 'ok' AND (check_name LIKE 'number_column' OR status = 'fix');
ROLLBACK;

--
-- Advice
--
BEGIN;
DROP FUNCTION sync_contact_numbers(), initialize_contact_preferences(), update_contact_methods();
DROP INDEX idx_contact_methods_customer_id, idx_contact_preferences_customer_id;
ALTER TABLE contact_methods VALIDATE CONSTRAINT contact_methods_customer_id_fkey;
ALTER TABLE contact_preferences VALIDATE CONSTRAINT contact_preferences_customer_id_fkey;
ALTER TABLE contact_history VALIDATE CONSTRAINT contact_history_customer_id_fkey;
SELECT * FROM advised();

SAVEPOINT well;
ALTER TABLE customers DROP COLUMN whatsapp;
SELECT * FROM wrong();
SELECT * FROM advised();
ROLLBACK TO well;
ALTER TABLE contact_methods ADD COLUMN tenant bigint NOT NULL DEFAULT 1;
ALTER TABLE contact_methods ALTER COLUMN tenant DROP DEFAULT;
SELECT * FROM wrong();
ROLLBACK TO well;
GRANT ALL ON contact_methods TO regress_contact_app;
GRANT INSERT ON contact_history TO PUBLIC;
SELECT * FROM advised();
GRANT SELECT (id) ON customers TO PUBLIC;
SELECT * FROM advised();
ROLLBACK TO well;
-- indexes that a wider unique one makes superfluous; those that are unique, partial or of another order do not
CREATE INDEX a ON contact_methods (customer_id);
CREATE INDEX b ON contact_methods (customer_id, method_type);
CREATE INDEX c ON contact_methods (method_type);
CREATE INDEX d ON contact_methods (customer_id) WHERE is_preferred;
CREATE INDEX e ON contact_methods (customer_id DESC);
CREATE INDEX f ON contact_methods (customer_id) INCLUDE (phone_number);
CREATE INDEX g ON contact_methods USING hash (customer_id);
SELECT * FROM advised();
ROLLBACK TO well;
ALTER TABLE contact_methods ALTER CONSTRAINT contact_methods_customer_id_fkey DEFERRABLE;
ALTER TABLE contact_methods DROP CONSTRAINT contact_methods_customer_id_method_type_key,
    ADD CONSTRAINT late UNIQUE (customer_id, method_type) DEFERRABLE;
SELECT * FROM advised();
ROLLBACK TO well;
ALTER TABLE contact_methods ADD CONSTRAINT long CHECK (length(phone_number) > 3) NOT VALID;
SELECT * FROM advised();
ROLLBACK TO well;
CREATE FUNCTION update_contact_methods() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
SELECT * FROM advised();
CREATE TABLE elsewhere ();
CREATE TRIGGER elsewhere AFTER INSERT ON elsewhere FOR EACH ROW EXECUTE FUNCTION update_contact_methods();
SELECT * FROM advised();
ROLLBACK TO well;
INSERT INTO contact_sync.failures VALUES
    ('regress_verify.customers', '1', 'update_contact_methods', now(), now(), 1, '23514', ''),
    ('elsewhere.customers', '1', 'update_contact_methods', now(), now(), 1, '23514', '');
SELECT * FROM advised();
ROLLBACK TO well;
SET LOCAL contact_sync.enabled = off;
SELECT * FROM advised();
ROLLBACK;

--
-- Triggers of others that find by search_path what the sync has not in its own
--
CREATE SCHEMA regress_verify_extensions;
CREATE TABLE regress_verify_extensions.audit (id int, number text);
CREATE FUNCTION regress_verify_extensions.audit_id() RETURNS int LANGUAGE sql AS 'SELECT 7';
CREATE FUNCTION local_id() RETURNS int LANGUAGE sql AS 'SELECT 8';
CREATE FUNCTION regress_verify_extensions.local_id() RETURNS int LANGUAGE sql AS 'SELECT 9';
CREATE FUNCTION bare() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit VALUES (audit_id(), NEW.phone_number);
    RETURN NULL;
END $$;
CREATE FUNCTION qualified() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO regress_verify_extensions.audit VALUES (regress_verify_extensions.audit_id(), now()::text);
    PERFORM local_id(), count(*) FROM customers;
    RETURN NULL;
END $$;
CREATE FUNCTION pinned() RETURNS trigger LANGUAGE plpgsql SET search_path = regress_verify_extensions AS $$
BEGIN
    PERFORM audit_id();
    RETURN NULL;
END $$;
BEGIN;
CREATE TRIGGER bare AFTER INSERT OR UPDATE ON contact_methods FOR EACH ROW EXECUTE FUNCTION bare();
CREATE TRIGGER qualified AFTER INSERT OR UPDATE ON contact_methods FOR EACH ROW EXECUTE FUNCTION qualified();
CREATE TRIGGER pinned AFTER INSERT OR UPDATE ON contact_preferences FOR EACH ROW EXECUTE FUNCTION pinned();
SELECT object, status, problem, fix FROM contact_sync.verify('customers') WHERE check_name = 'search_path';
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers');
SET LOCAL search_path = regress_verify, regress_verify_extensions;
UPDATE customers SET phone = '0799';
RESET search_path;
SET LOCAL search_path = regress_verify;
SELECT fix FROM contact_sync.verify('customers') WHERE check_name = 'search_path' \gexec
SELECT object, status, problem, fix FROM contact_sync.verify('customers') WHERE check_name = 'search_path';
UPDATE customers SET phone = '0798';
SELECT count(*) > 0 AS audited FROM regress_verify_extensions.audit WHERE number = '0798';
-- A client's temporary table is not taken for the one that is meant.
CREATE TEMPORARY TABLE audit (id int, number text);
UPDATE customers SET phone = '0797';
SELECT count(*) > 0 AS audited, (SELECT count(*) FROM pg_temp.audit) AS captured
    FROM regress_verify_extensions.audit WHERE number = '0797';
ROLLBACK;

--
-- Citus distributes tables, and triggers with them: not yet.
--
BEGIN;
SET LOCAL allow_system_table_mods = on;
CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass, partmethod "char", repmodel "char");
GRANT SELECT ON pg_catalog.pg_dist_partition TO PUBLIC;
SELECT check_name, object, problem FROM contact_sync.verify('customers') WHERE status = 'blocked';
INSERT INTO pg_catalog.pg_dist_partition VALUES ('customers', 'h', 's'), ('contact_methods', 'n', 't'), ('contact_history', 'n', 's');
SELECT check_name, object, problem FROM contact_sync.verify('customers') WHERE status = 'blocked';
SELECT contact_sync.attach('customers');
ROLLBACK;

-- clean up
RESET search_path;
DROP SCHEMA regress_verify, regress_verify_extensions CASCADE;
DROP ROLE regress_contact_app, regress_contact_other, regress_contact_super;
