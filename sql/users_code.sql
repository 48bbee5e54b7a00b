--
-- Code that users wrote for contact tables finds the search_path pinned and waits for locks no longer than the sync,
-- wherever it hides. (Where there is none nobody could tell, and nothing is pinned.)
--
\pset format unaligned
\pset footer off
\pset null -
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE SCHEMA regress_users_code;
CREATE SCHEMA regress_users_code_2;
SET search_path = regress_users_code;
CREATE TABLE customers (id bigint PRIMARY KEY, phone varchar(20), whatsapp varchar(20));
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers');
INSERT INTO customers VALUES (1, '1', '1');

-- What it finds it tells by an advisory lock: an index's function may not write, and settings do not last.
CREATE FUNCTION witness(anything text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    PERFORM pg_advisory_lock(CASE WHEN (current_setting('search_path'), current_setting('lock_timeout'),
                                        current_setting('deadlock_timeout'), current_setting('log_lock_waits'))
                                       = ('pg_catalog, regress_users_code, pg_temp', '500ms', '1ms', 'off')
                                  THEN 1 ELSE 2 END);
    RETURN anything;
END
$$;
CREATE FUNCTION testimony() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    given text;
BEGIN
    SELECT coalesce(string_agg(DISTINCT CASE objid WHEN 1 THEN 'pinned' ELSE 'not pinned' END, ', '), 'nothing')
    INTO given FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
    PERFORM pg_advisory_unlock_all();
    RETURN given;
END
$$;
CREATE FUNCTION witness() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM regress_users_code.witness(TG_OP);
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$;
CREATE DOMAIN watched AS varchar(20) CHECK (regress_users_code.witness(VALUE) <> '');

-- What was found by a customer's INSERT, UPDATE and an UPDATE that empties a number.
CREATE FUNCTION seen_by(make text, unmake text, OUT of_insert text, OUT of_update text, OUT of_removal text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE make;
    PERFORM pg_advisory_unlock_all();
    SET LOCAL search_path = regress_users_code_2;
    INSERT INTO regress_users_code.customers VALUES (2, '2', '2');
    of_insert := regress_users_code.testimony();
    UPDATE regress_users_code.customers SET phone = phone || '1' WHERE id = 1;
    of_update := regress_users_code.testimony();
    UPDATE regress_users_code.customers SET phone = '', whatsapp = '' WHERE id = 1;
    of_removal := regress_users_code.testimony();
    UPDATE regress_users_code.customers SET phone = '1', whatsapp = '1' WHERE id = 1;
    DELETE FROM regress_users_code.customers WHERE id = 2;
    SET LOCAL search_path = regress_users_code;
    EXECUTE unmake;
END
$$;

SELECT way, seen.* FROM (VALUES
    ('row trigger',
     'CREATE TRIGGER watch BEFORE INSERT OR UPDATE OR DELETE ON contact_methods FOR EACH ROW EXECUTE FUNCTION witness()',
     'DROP TRIGGER watch ON contact_methods'),
    ('statement trigger',
     'CREATE TRIGGER watch AFTER INSERT OR UPDATE OR DELETE ON contact_methods EXECUTE FUNCTION witness()',
     'DROP TRIGGER watch ON contact_methods'),
    ('trigger of preferences',
     'CREATE TRIGGER watch AFTER INSERT ON contact_preferences FOR EACH ROW EXECUTE FUNCTION witness()',
     'DROP TRIGGER watch ON contact_preferences'),
    ('rule',
     'CREATE RULE watch AS ON DELETE TO contact_methods DO ALSO SELECT witness(OLD.phone_number)',
     'DROP RULE watch ON contact_methods'),
    ('default',
     'ALTER TABLE contact_methods ADD watched text DEFAULT witness(random()::text)',
     'ALTER TABLE contact_methods DROP watched'),
    ('generated column',
     'ALTER TABLE contact_methods ADD watched text GENERATED ALWAYS AS (witness(phone_number)) STORED',
     'ALTER TABLE contact_methods DROP watched'),
    ('CHECK',
     $$ALTER TABLE contact_methods ADD CONSTRAINT watch CHECK (witness(phone_number) <> '')$$,
     'ALTER TABLE contact_methods DROP CONSTRAINT watch'),
    ('index',
     'CREATE INDEX watch ON contact_methods (witness(phone_number))',
     'DROP INDEX watch'),
    ('condition of an index',
     $$CREATE INDEX watch ON contact_methods (id) WHERE witness(phone_number) <> ''$$,
     'DROP INDEX watch'),
    ('domain',
     'ALTER TABLE contact_methods ALTER phone_number TYPE watched',
     'ALTER TABLE contact_methods ALTER phone_number TYPE varchar(20)'),
    ('trigger of a table that refers',
     $$CREATE TABLE referrer (method uuid REFERENCES contact_methods (id) ON DELETE CASCADE);
       INSERT INTO referrer SELECT id FROM contact_methods;
       CREATE TRIGGER watch BEFORE DELETE ON referrer FOR EACH ROW EXECUTE FUNCTION witness()$$,
     'DROP TABLE referrer'),
    ('trigger of a child',
     $$CREATE TABLE child () INHERITS (contact_methods);
       INSERT INTO child (customer_id, method_type, phone_number) VALUES (1, 'sms', 'of the child');
       CREATE TRIGGER watch BEFORE UPDATE ON child FOR EACH ROW EXECUTE FUNCTION witness()$$,
     'DROP TABLE child'))
    AS ways(way, make, unmake), seen_by(make, unmake) AS seen;

SELECT DISTINCT sqlstate, message FROM contact_sync.failures;
DROP SCHEMA regress_users_code CASCADE;
DROP SCHEMA regress_users_code_2;
DELETE FROM contact_sync.failures;
