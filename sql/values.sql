--
-- What the sync writes, and tables that do not take it: types, CHECKs, enums and domains, unique indexes, columns that a
-- row cannot do without, what keeps a type from being changed, tables that are another application's.
--
-- Each state is tried on its own: what verify says of it; then, unless attach refuses, whether the statements that an
-- app ran before still succeed, what became of a customer's methods, and what is in failures.
--
\getenv abs_srcdir PG_ABS_SRCDIR
\set legacy :abs_srcdir '/test/fixtures/legacy.sql'
\set legacy_data :abs_srcdir '/test/fixtures/legacy_data.sql'
\pset format unaligned
\pset footer off
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = error;

CREATE ROLE regress_contact_app;
CREATE ROLE regress_contact_other;
CREATE SCHEMA regress_values;
GRANT USAGE ON SCHEMA regress_values TO regress_contact_app;
SET search_path = regress_values;
\set ECHO none
\i :legacy
\i :legacy_data
\set ECHO all
GRANT SELECT, INSERT, UPDATE ON customers, contact_methods, contact_preferences, contact_history TO regress_contact_app;

CREATE PROCEDURE try(state text) LANGUAGE plpgsql AS $$
DECLARE
    found record;
    app_statement text;
    methods text;
    failed text;
BEGIN
    EXECUTE state;
    FOR found IN
        SELECT v.status, v.check_name, replace(v.object, 'regress_values.', '') AS object,
               replace(v.problem, 'regress_values.', '') AS problem,
               replace(replace(v.fix, 'regress_values.', ''), E'\n', ' ') AS fix
        FROM contact_sync.verify('regress_values.customers') WITH ORDINALITY AS v(check_name, object, status, problem, fix, place)
        WHERE v.status <> 'ok'
          AND v.check_name IN ('method_type', 'phone_number_type', 'column_value', 'required_column', 'unique_index',
                               'unique_key', 'contact_column', 'misplaced_rows') ORDER BY v.place
    LOOP
        RAISE INFO '%: %, %: %', found.status, found.check_name, found.object, found.problem;
        IF found.fix IS NOT NULL THEN
            RAISE INFO '    %', found.fix;
        END IF;
    END LOOP;

    BEGIN
        PERFORM FROM contact_sync.attach('regress_values.customers');
    EXCEPTION WHEN object_not_in_prerequisite_state THEN
        RAISE INFO 'attach refuses';
        RAISE EXCEPTION USING ERRCODE = 'UNDO0';
    END;
    SELECT string_agg(v.check_name, ', ') INTO failed
    FROM contact_sync.verify('regress_values.customers') v WHERE v.status IN ('fix', 'blocked');
    IF failed IS NOT NULL THEN
        RAISE INFO 'not right after attach: %', failed;
    END IF;

    SET LOCAL ROLE regress_contact_app;
    FOREACH app_statement IN ARRAY ARRAY[
        $q$INSERT INTO regress_values.customers (name, phone) VALUES ('new', '0701')$q$,
        $q$UPDATE regress_values.customers SET phone = '0702' WHERE name = 'new'$q$,
        $q$UPDATE regress_values.customers SET phone = '0703' WHERE name = 'Asha Mwangi'$q$]
    LOOP
        BEGIN
            EXECUTE app_statement;
        EXCEPTION WHEN OTHERS THEN
            RAISE INFO 'fails: %: %', app_statement, SQLERRM;
        END;
    END LOOP;
    RESET ROLE;
    SELECT string_agg(concat_ws(' ', c.name, m.method_type, m.phone_number), ', ' ORDER BY c.name COLLATE "C", m.method_type::text COLLATE "C")
    INTO methods
    FROM regress_values.contact_methods m JOIN regress_values.customers c ON c.id = m.customer_id
    WHERE c.name IN ('Asha Mwangi', 'new');
    SELECT string_agg(DISTINCT concat_ws(' ', f.sqlstate, f.function, f.message), '; ') INTO failed FROM contact_sync.failures f;
    RAISE INFO 'methods: %', methods;
    IF failed IS NOT NULL THEN
        RAISE INFO 'failures: %', failed;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'UNDO0';
EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
    NULL;
END
$$;

-- as it is
CALL try('');

--
-- Words: a CHECK is widened, a type too, an enum gets the label.
--
CALL try($$ALTER TABLE contact_methods DROP CONSTRAINT contact_methods_verification_status_check;
           UPDATE contact_methods SET verification_status = 'pending';
           ALTER TABLE contact_methods ALTER verification_status SET DEFAULT 'pending',
               ADD CHECK (verification_status IN ('verified', 'pending', 'rejected'))$$);
CALL try($$ALTER TABLE contact_methods ALTER verification_status TYPE varchar(6) USING 'ok', ALTER verification_status SET DEFAULT 'ok',
               DROP CONSTRAINT contact_methods_verification_status_check$$);
CALL try($$CREATE DOMAIN status AS text CHECK (VALUE IN ('verified', 'failed'));
           ALTER TABLE contact_methods DROP CONSTRAINT contact_methods_verification_status_check;
           ALTER TABLE contact_methods ALTER verification_status DROP DEFAULT,
               ALTER verification_status TYPE status USING 'failed'$$);
-- A default of ours that a constraint refuses
CALL try($$ALTER TABLE contact_preferences ALTER language DROP DEFAULT, DROP CONSTRAINT contact_preferences_language_check;
           UPDATE contact_preferences SET language = 'sw'; ALTER TABLE contact_preferences ADD CHECK (language IN ('sw', 'fr'))$$);
-- ... and a column that no default is for
CALL try($$ALTER TABLE contact_preferences DROP COLUMN language; ALTER TABLE contact_preferences ADD COLUMN language int CHECK (language > 0)$$);

--
-- Columns of another kind are left alone.
--
CALL try($$ALTER TABLE contact_methods ALTER updated_at DROP DEFAULT;
           DROP TRIGGER update_contact_methods_updated_at ON contact_methods;
           ALTER TABLE contact_methods ALTER updated_at TYPE bigint USING 0$$);
CALL try($$ALTER TABLE contact_methods ALTER is_available DROP DEFAULT;
           ALTER TABLE contact_methods ALTER is_available TYPE smallint USING 1$$);
CALL try($$ALTER TABLE contact_methods ALTER is_preferred DROP DEFAULT;
           ALTER TABLE contact_methods ALTER is_preferred TYPE text USING 'no'$$);
CALL try($$UPDATE contact_methods SET last_verified = now();
           ALTER TABLE contact_methods ALTER last_verified SET DEFAULT now(), ALTER last_verified SET NOT NULL$$);
CALL try($$UPDATE contact_methods SET last_verified = now();
           ALTER TABLE contact_methods ADD CHECK (last_verified IS NOT NULL), ALTER last_verified SET DEFAULT now()$$);
CALL try($$CREATE DOMAIN moment AS timestamptz NOT NULL DEFAULT now();
           ALTER TABLE contact_methods DROP COLUMN last_verified; ALTER TABLE contact_methods ADD COLUMN last_verified moment$$);
CALL try($$ALTER TABLE contact_methods DROP COLUMN is_available;
           ALTER TABLE contact_methods ADD COLUMN is_available boolean GENERATED ALWAYS AS (phone_number <> '') STORED$$);
CALL try($$UPDATE contact_methods SET is_available = false; ALTER TABLE contact_methods ADD CHECK (NOT is_available), ALTER is_available SET DEFAULT false$$);
CALL try($$ALTER TABLE contact_methods ALTER verification_status DROP DEFAULT, DROP CONSTRAINT contact_methods_verification_status_check;
           ALTER TABLE contact_methods ALTER verification_status TYPE int USING 1$$);
-- What takes our value under another name of its type
CALL try($$ALTER TABLE contact_methods ALTER updated_at TYPE timestamp, ALTER last_verified TYPE date$$);
CALL try($$CREATE DOMAIN flag AS boolean CHECK (VALUE IS NOT NULL); UPDATE contact_methods SET is_preferred = false;
           ALTER TABLE contact_methods ALTER is_preferred TYPE flag$$);
-- A row cannot do without it: refused, unless a trigger may fill it.
CALL try($$ALTER TABLE contact_methods ADD tenant int NOT NULL DEFAULT 1; ALTER TABLE contact_methods ALTER tenant DROP DEFAULT$$);
CALL try($$ALTER TABLE contact_methods ALTER is_available DROP DEFAULT;
           ALTER TABLE contact_methods ALTER is_available TYPE smallint USING 1, ALTER is_available SET NOT NULL$$);
CALL try($$ALTER TABLE contact_methods ALTER is_available DROP DEFAULT, ALTER is_available SET NOT NULL$$);
CALL try($$ALTER TABLE contact_preferences ADD tenant int NOT NULL DEFAULT 1; ALTER TABLE contact_preferences ALTER tenant DROP DEFAULT;
           CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.tenant := 7; RETURN NEW; END';
           CREATE TRIGGER fill BEFORE INSERT ON contact_preferences FOR EACH ROW EXECUTE FUNCTION fill()$$);

--
-- Unique indexes
--
CALL try($$CREATE UNIQUE INDEX i ON contact_methods (phone_number) WHERE false$$);
CALL try($$TRUNCATE contact_methods; ALTER TABLE contact_methods ADD CONSTRAINT one UNIQUE (phone_number)$$);
CALL try($$TRUNCATE contact_methods; CREATE UNIQUE INDEX i ON contact_methods (customer_id)$$);
CALL try($$TRUNCATE contact_methods; CREATE UNIQUE INDEX i ON contact_methods (customer_id, phone_number)$$);
CALL try($$TRUNCATE contact_methods; CREATE UNIQUE INDEX i ON contact_methods (customer_id, is_preferred)$$);
CALL try($$TRUNCATE contact_methods; CREATE UNIQUE INDEX i ON contact_methods (verification_status)$$);
CALL try($$TRUNCATE contact_methods; CREATE UNIQUE INDEX i ON contact_methods (phone_number, method_type)$$);
CALL try($$TRUNCATE contact_methods; CREATE UNIQUE INDEX i ON contact_methods (customer_id) WHERE is_preferred$$);
CALL try($$TRUNCATE contact_methods; CREATE UNIQUE INDEX i ON contact_methods (lower(phone_number))$$);
CALL try($$TRUNCATE contact_preferences; CREATE UNIQUE INDEX i ON contact_preferences (language)$$);
CALL try($$TRUNCATE contact_methods;
           ALTER TABLE contact_methods ADD EXCLUDE USING btree (phone_number WITH =)$$);
-- What new rows leave null, or have of their own, is no matter; nor what has the customer and method in it.
CALL try($$ALTER TABLE contact_methods ADD token text UNIQUE, ADD serial bigserial UNIQUE, ADD place int GENERATED ALWAYS AS IDENTITY UNIQUE;
           CREATE UNIQUE INDEX i ON contact_methods (lower(token));
           CREATE UNIQUE INDEX j ON contact_methods (method_type, customer_id, phone_number);
           CREATE UNIQUE INDEX k ON contact_methods (customer_id, method_type) WHERE is_available$$);
CALL try($$ALTER TABLE contact_methods ALTER id DROP DEFAULT$$);
CALL try($$CREATE SEQUENCE tickets; CREATE FUNCTION ticket() RETURNS text LANGUAGE sql AS $q$SELECT 't' || nextval('regress_values.tickets')$q$;
           ALTER TABLE contact_methods ADD ticket text NOT NULL DEFAULT regress_values.ticket() UNIQUE$$);
CALL try($$TRUNCATE contact_methods; ALTER TABLE contact_methods ADD place int NOT NULL DEFAULT 7 UNIQUE$$);
CALL try($$TRUNCATE contact_methods; ALTER TABLE contact_methods ADD place int UNIQUE NULLS NOT DISTINCT;
           CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.place := 1 + (SELECT count(*) FROM regress_values.contact_methods); RETURN NEW; END';
           CREATE TRIGGER fill BEFORE INSERT ON contact_methods FOR EACH ROW EXECUTE FUNCTION fill()$$);
CALL try($$TRUNCATE contact_preferences; ALTER TABLE contact_preferences ADD joined timestamptz DEFAULT CURRENT_TIMESTAMP UNIQUE$$);
CALL try($$TRUNCATE contact_methods; ALTER TABLE contact_methods ADD token text UNIQUE NULLS NOT DISTINCT$$);
-- Deleted rows that stay: more rows of a customer and method than one, on purpose.
CALL try($$ALTER TABLE contact_methods DROP CONSTRAINT contact_methods_customer_id_method_type_key, ADD deleted_at timestamptz;
           CREATE UNIQUE INDEX live ON contact_methods (customer_id, method_type) WHERE deleted_at IS NULL;
           INSERT INTO contact_methods (customer_id, method_type, phone_number, deleted_at)
               SELECT id, 'sms', '0799', now() FROM customers$$);
CALL try($$ALTER TABLE contact_methods DROP CONSTRAINT contact_methods_customer_id_method_type_key;
           CREATE UNIQUE INDEX known ON contact_methods (customer_id, method_type) WHERE customer_id IS NOT NULL$$);

--
-- A type that something holds
--
CALL try($$ALTER TABLE contact_methods ALTER phone_number TYPE varchar(13)$$);
CALL try($$ALTER TABLE contact_methods ALTER phone_number TYPE varchar(13);
           CREATE PUBLICATION regress_publication FOR TABLE contact_methods WHERE (phone_number <> '')$$);
CALL try($$ALTER TABLE contact_methods ALTER phone_number TYPE varchar(13);
           CREATE FUNCTION number_of(uuid) RETURNS text STABLE
               BEGIN ATOMIC SELECT phone_number FROM contact_methods WHERE customer_id = $1; END$$);
CALL try($$ALTER TABLE contact_methods ALTER phone_number TYPE varchar(13); CREATE TABLE holder (method contact_methods)$$);
CALL try($$ALTER TABLE contact_methods ALTER phone_number TYPE varchar(13);
           CREATE TABLE base (phone_number varchar(13)); ALTER TABLE contact_methods INHERIT base$$);
-- Statistics, indexes and constraints are made anew.
CALL try($$ALTER TABLE contact_methods ALTER phone_number TYPE varchar(13), ADD CHECK (phone_number <> 'x');
           CREATE STATISTICS s ON phone_number, method_type FROM contact_methods;
           CREATE INDEX i ON contact_methods (phone_number)$$);

--
-- Another application's tables
--
CALL try($$DROP TABLE contact_methods; CREATE TABLE contact_methods (id serial PRIMARY KEY, email text NOT NULL)$$);
CALL try($$DROP TABLE contact_preferences; CREATE TABLE contact_preferences (person int, likes text)$$);
-- Ours with columns missing: whoever inserts rows without them can go on to do so.
CALL try($$DROP TABLE contact_methods; CREATE TABLE contact_methods (customer_id uuid, phone_number text)$$);
BEGIN;
DROP TABLE contact_history;
CREATE TABLE contact_history (customer_id uuid, note text);
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers');
INSERT INTO contact_history (customer_id, note) SELECT id, 'rang' FROM customers LIMIT 1;
ROLLBACK;

--
-- A label that is added can be used once that is committed. A view does not stand in its way.
--
CREATE TYPE status AS ENUM ('verified', 'failed');
CREATE TYPE method AS ENUM ('sms', 'phone_call');
ALTER TABLE contact_methods ALTER verification_status DROP DEFAULT, DROP CONSTRAINT contact_methods_verification_status_check,
    DROP CONSTRAINT contact_methods_method_type_check;
TRUNCATE contact_methods;
ALTER TABLE contact_methods ALTER verification_status TYPE status USING 'failed', ALTER method_type TYPE method USING 'sms';
CREATE VIEW statuses AS SELECT verification_status, method_type FROM contact_methods;
ALTER TYPE method OWNER TO regress_contact_other;
CREATE ROLE regress_contact_owner;
GRANT ALL ON SCHEMA regress_values TO regress_contact_owner;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA contact_sync TO regress_contact_owner;
ALTER TABLE customers OWNER TO regress_contact_owner;
ALTER TABLE contact_methods OWNER TO regress_contact_owner;
ALTER TABLE contact_preferences OWNER TO regress_contact_owner;
ALTER TABLE contact_history OWNER TO regress_contact_owner;
ALTER TYPE status OWNER TO regress_contact_owner;
SELECT check_name, status, problem, fix FROM contact_sync.verify('customers') WHERE check_name IN ('method_type', 'column_value');
ALTER TYPE regress_values.method ADD VALUE 'whatsapp';
SELECT check_name, status, problem, fix FROM contact_sync.verify('customers') WHERE check_name IN ('method_type', 'column_value');
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers');
INSERT INTO customers (name, phone) VALUES ('new', '0701');
UPDATE customers SET phone = '0702' WHERE name = 'new';
SELECT method_type, phone_number, verification_status FROM contact_methods ORDER BY method_type;
SELECT * FROM contact_sync.failures;

-- clean up
RESET search_path;
DROP SCHEMA regress_values CASCADE;
DROP OWNED BY regress_contact_owner;
DROP ROLE regress_contact_app, regress_contact_other, regress_contact_owner;
TRUNCATE contact_sync.failures;
