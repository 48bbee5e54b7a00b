--
-- The guard: an error in contact sync never aborts the customer's statement, and never goes unrecorded.  Every error
-- here is provoked for real.
--
\pset format unaligned
\pset footer off
\pset null -
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE SCHEMA regress_guard;
SET search_path = regress_guard;
CREATE TABLE customers (id bigint PRIMARY KEY, phone text, whatsapp text);
CREATE TABLE contact_methods (
    customer_id bigint REFERENCES customers ON DELETE CASCADE ON UPDATE CASCADE,
    method_type text NOT NULL,
    phone_number text NOT NULL,
    UNIQUE (customer_id, method_type)
);
CREATE TABLE contact_preferences (
    customer_id bigint UNIQUE REFERENCES customers ON DELETE CASCADE ON UPDATE CASCADE,
    preferred_method text DEFAULT 'whatsapp'
);
CREATE TRIGGER initialize AFTER INSERT ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.initialize_contact_preferences();
CREATE TRIGGER update_methods AFTER INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();

-- Customers 1 and 2 are updated, 3 and 4 inserted, 5 and 6 copied; what 1, 3 and 5 get is at fault.
\set start 'TRUNCATE customers CASCADE; DELETE FROM contact_sync.failures; INSERT INTO customers VALUES (1, ''old 1'', ''wa 1''), (2, ''old 2'', ''wa 2'');'
\set update 'UPDATE customers SET phone = CASE id WHEN 1 THEN ''bad'' ELSE ''good'' END WHERE id IN (1, 2);'
\set insert 'INSERT INTO customers VALUES (3, ''bad'', ''wa 3''), (4, ''good'', ''wa 4'');'
\set copy 'COPY customers FROM PROGRAM ''echo 5,bad,wa 5 && echo 6,good,wa 6'' (FORMAT csv);'
\set outcome 'SELECT id, phone AS saved, (SELECT string_agg(phone_number, '', '' ORDER BY method_type) FROM contact_methods WHERE customer_id = id) AS "phone_call, sms, whatsapp", f.sqlstate, f.times, f.message FROM customers LEFT JOIN contact_sync.failures f ON (customers_table, customer, function) = (''regress_guard.customers'', id::text, ''update_contact_methods'') ORDER BY id;'

-- Without an error there is nothing to say.
:start
:update
:insert
:copy
:outcome

--
-- What is in contact_methods and around it
--
-- unique: the client sees function, customer, table and message, what state things are in and what to do.
:start
CREATE UNIQUE INDEX only_one ON contact_methods (method_type) WHERE phone_number = 'bad';
INSERT INTO customers VALUES (0, 'bad', 'wa 0');
\set VERBOSITY default
:update
\set VERBOSITY sqlstate
:insert
\set VERBOSITY terse
:copy
:outcome
DROP INDEX only_one;

-- check
ALTER TABLE contact_methods ADD CONSTRAINT is_good CHECK (phone_number <> 'bad') NOT VALID;
:start
:update
:insert
:copy
:outcome
ALTER TABLE contact_methods DROP CONSTRAINT is_good;

-- not null
:start
ALTER TABLE contact_methods ADD known text GENERATED ALWAYS AS (nullif(phone_number, 'bad')) STORED NOT NULL;
:update
:insert
:copy
:outcome
ALTER TABLE contact_methods DROP known;

-- foreign key
:start
CREATE TABLE numbers (number text PRIMARY KEY);
INSERT INTO numbers VALUES ('good'), ('old 1'), ('old 2'), ('wa 1'), ('wa 2'), ('wa 3'), ('wa 4'), ('wa 5'), ('wa 6');
ALTER TABLE contact_methods ADD CONSTRAINT known FOREIGN KEY (phone_number) REFERENCES numbers;
:update
:insert
:copy
:outcome
DROP TABLE numbers CASCADE;

-- Too long for phone_number: that number is left out before any SQL runs; the customer's other number is not.
:start
ALTER TABLE contact_methods ALTER phone_number TYPE varchar(6);
UPDATE customers SET phone = repeat('6', 7), whatsapp = 'new wa' WHERE id = 1;
INSERT INTO customers VALUES (3, 'ÄÖÜäöü', 'wa 3'), (5, 'ÄÖÜäöüß', 'wa 5');
COPY customers FROM PROGRAM 'echo 7,7777777,77777777' (FORMAT csv);
:outcome
SELECT customer_id, method_type, phone_number FROM contact_methods WHERE customer_id IN (1, 7) ORDER BY 1, 2;
ALTER TABLE contact_methods ALTER phone_number TYPE text;

-- A domain's constraint
:start
CREATE DOMAIN good_number AS text CHECK (VALUE <> 'bad');
ALTER TABLE contact_methods ALTER phone_number TYPE good_number;
:update
:insert
:copy
:outcome
ALTER TABLE contact_methods ALTER phone_number TYPE text;

-- The unique constraint is gone: all would only repeat, no row is written, each is recorded.
:start
ALTER TABLE contact_methods DROP CONSTRAINT contact_methods_customer_id_method_type_key;
:update
:insert
:copy
:outcome
-- A deferrable one is no arbiter for ON CONFLICT, but tells that there are no duplicates.
ALTER TABLE contact_methods ADD CONSTRAINT one_a_method UNIQUE (customer_id, method_type) DEFERRABLE;
:start
:update
:insert
:copy
:outcome
ALTER TABLE contact_methods DROP CONSTRAINT one_a_method, ADD UNIQUE (customer_id, method_type);

--
-- A user's trigger on contact_methods
--
CREATE FUNCTION complain() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.phone_number = 'bad' THEN
        IF TG_ARGV[0] = '22012' THEN
            NEW.phone_number := 1 / 0;
        END IF;
        RAISE EXCEPTION 'number % is not for me', NEW.phone_number
            USING ERRCODE = TG_ARGV[0], DETAIL = 'the secret of the table''s owner', HINT = 'another secret';
    END IF;
    RETURN NEW;
END
$$;

-- P0001, an assertion, a division by zero, a code of his own, and those of the server's own trouble: all are caught.
\set VERBOSITY default
:start
CREATE TRIGGER complain BEFORE INSERT OR UPDATE ON contact_methods FOR EACH ROW EXECUTE FUNCTION complain('P0001');
:update
\set VERBOSITY terse
:insert
:copy
:outcome
DO $$
DECLARE
    code text;
BEGIN
    TRUNCATE customers CASCADE;
    DELETE FROM contact_sync.failures;
    FOREACH code IN ARRAY '{22012, 25006, 40P01, 53100, 57P03, P0004, XX000, ZZ999}'::text[] LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER complain BEFORE INSERT OR UPDATE ON contact_methods '
                       'FOR EACH ROW EXECUTE FUNCTION complain(%L)', code);
        INSERT INTO customers SELECT count(*), 'bad' FROM customers;
    END LOOP;
END
$$;
SELECT customer, sqlstate, message FROM contact_sync.failures WHERE function = 'update_contact_methods'
    ORDER BY customer;

-- Let through: 40001 and 57014, which are the client's to act on.  No row is saved, nothing is recorded.
:start
\set VERBOSITY sqlstate
CREATE OR REPLACE TRIGGER complain BEFORE INSERT OR UPDATE ON contact_methods
    FOR EACH ROW EXECUTE FUNCTION complain('40001');
:update
:insert
:copy
CREATE OR REPLACE TRIGGER complain BEFORE INSERT OR UPDATE ON contact_methods
    FOR EACH ROW EXECUTE FUNCTION complain('57014');
:update
:insert
:copy
:outcome
SELECT count(*) FROM contact_sync.failures;
-- They reach the client as they are.
\set VERBOSITY terse
:update
-- After either the session is as good as before.
DROP TRIGGER complain ON contact_methods;
:update
:insert
:outcome

-- An error of the customer's own row is the customer's.
ALTER TABLE customers ADD CONSTRAINT no_bad_ones CHECK (phone <> 'worse');
UPDATE customers SET phone = 'worse' WHERE id = 1;
ALTER TABLE customers DROP CONSTRAINT no_bad_ones;

--
-- The body is undone to its beginning
--
-- Rows, locks and settings: sms was updated, the audit written and locked when phone_call failed.
:start
CREATE TABLE audit (said text);
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit VALUES (NEW.method_type);
    PERFORM pg_advisory_xact_lock(4711), set_config('regress_guard.said', NEW.method_type, true);
    LOCK TABLE audit IN ACCESS EXCLUSIVE MODE;
    IF NEW.phone_number = 'bad' AND (SELECT count(*) FROM audit) > 1 THEN
        RAISE EXCEPTION 'after % rows', (SELECT count(*) FROM audit);
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER audit BEFORE INSERT OR UPDATE ON contact_methods FOR EACH ROW EXECUTE FUNCTION audit();
BEGIN;
UPDATE customers SET phone = 'bad' WHERE id = 1;
:outcome
SELECT count(*) FROM audit;
SELECT locktype, relation::regclass, mode FROM pg_locks
    WHERE pid = pg_backend_pid() AND (locktype = 'advisory' OR relation = 'contact_methods'::regclass
                                      OR relation = 'audit'::regclass AND mode <> 'AccessShareLock')
      AND mode <> 'AccessShareLock';
SELECT current_setting('regress_guard.said', true) AS said;
COMMIT;
-- Without an error the locks are the transaction's, as ever.
TRUNCATE audit;
BEGIN;
UPDATE customers SET phone = 'good' WHERE id = 2;
SELECT count(*) FROM audit;
SELECT locktype, relation::regclass, mode FROM pg_locks
    WHERE pid = pg_backend_pid() AND (locktype = 'advisory' OR relation = 'audit'::regclass AND mode LIKE 'AccessEx%')
    ORDER BY 1;
COMMIT;
DROP TABLE audit;
DROP FUNCTION audit CASCADE;

--
-- A guard within a guard: what the sync writes sets off a change of customers. The outermost alone catches.
--
CREATE FUNCTION partner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE regress_guard.customers SET phone = NEW.phone_number WHERE id = NEW.customer_id + 1;
    RETURN NULL;
END
$$;
:start
INSERT INTO customers SELECT n, '', 'wa ' || n FROM generate_series(3, 5) AS n;
CREATE TRIGGER partner AFTER UPDATE ON contact_methods
    FOR EACH ROW WHEN (NEW.method_type = 'sms') EXECUTE FUNCTION partner();
-- Down to the fourth nothing fails.
UPDATE customers SET phone = 'good' WHERE id = 2;
INSERT INTO contact_methods (customer_id, method_type, phone_number) VALUES (4, 'sms', 'x'), (5, 'sms', 'x');
UPDATE customers SET phone = 'better' WHERE id = 1;
:outcome
-- What fails inside undoes all that the outermost did, and is its customer's.
ALTER TABLE contact_methods ADD CONSTRAINT not_three CHECK (customer_id <> 3 OR phone_number <> 'bad') NOT VALID;
UPDATE customers SET phone = 'bad' WHERE id = 1;
:outcome
ALTER TABLE contact_methods DROP CONSTRAINT not_three;
-- One that never ends is at its end where the stack is.
CREATE OR REPLACE FUNCTION partner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE regress_guard.customers SET phone = phone || '1' WHERE id = NEW.customer_id;
    RETURN NULL;
END
$$;
SET max_stack_depth = '300kB';
UPDATE customers SET phone = 'round' WHERE id = 2;
-- Three customers in a ring, of which each sets off the next
CREATE OR REPLACE FUNCTION partner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE regress_guard.customers SET phone = phone || '1' WHERE id = NEW.customer_id % 3 + 1;
    RETURN NULL;
END
$$;
UPDATE customers SET phone = phone || '2' WHERE id <= 3;
RESET max_stack_depth;
:outcome
DROP TRIGGER partner ON contact_methods;
DROP FUNCTION partner;

-- Each function stands alone: without preferences, there are methods all the same.
:start
ALTER TABLE contact_preferences ADD CONSTRAINT not_three CHECK (customer_id <> 3);
:insert
SELECT customer, function, sqlstate FROM contact_sync.failures;
:outcome
SELECT customer_id FROM contact_preferences WHERE customer_id > 2;
ALTER TABLE contact_preferences DROP CONSTRAINT not_three;

-- A savepoint or a transaction that is rolled back takes the record with it: nothing of it has happened.
:start
ALTER TABLE contact_methods ADD CONSTRAINT is_good CHECK (phone_number <> 'bad');
BEGIN;
SAVEPOINT one;
:update
ROLLBACK TO one;
UPDATE customers SET phone = 'good' WHERE id = 1;
COMMIT;
:outcome

-- Also within a PL/pgSQL block with an exception clause of its own: it is not entered.
DO $$
BEGIN
    UPDATE customers SET phone = 'bad' WHERE id = 1;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'entered';
END
$$;
:outcome

--
-- Ten WARNINGs a transaction, then silence; failures has them all.
--
:start
BEGIN;
INSERT INTO customers SELECT n, 'bad' FROM generate_series(11, 19) AS n;
INSERT INTO customers SELECT n, 'bad' FROM generate_series(21, 29) AS n;
COMMIT;
SELECT count(*), count(*) FILTER (WHERE sqlstate = '23514') AS checks FROM contact_sync.failures;
-- The next transaction may say ten more, also after one that was rolled back.
BEGIN;
INSERT INTO customers SELECT n, 'bad' FROM generate_series(31, 42) AS n;
ROLLBACK;
INSERT INTO customers VALUES (31, 'bad');

--
-- The session afterwards
--
CREATE ROLE regress_guard_app;
GRANT USAGE ON SCHEMA regress_guard TO regress_guard_app;
GRANT SELECT, INSERT, UPDATE ON customers TO regress_guard_app;
CREATE VIEW session AS
    SELECT current_user, current_setting('role') AS role, current_setting('search_path') AS search_path,
           current_setting('lock_timeout') AS lock_timeout, current_setting('deadlock_timeout') AS deadlock_timeout;
GRANT SELECT ON session TO regress_guard_app;
:start
-- search_path, role, lock_timeout and deadlock_timeout are what they were: after a success,
SET deadlock_timeout = '900ms';
BEGIN;
SET LOCAL search_path = pg_temp, regress_guard, public;
SET LOCAL lock_timeout = '11s';
SET LOCAL ROLE regress_guard_app;
UPDATE customers SET phone = 'good' WHERE id = 1;
SELECT * FROM session;
-- after a failure,
UPDATE customers SET phone = 'bad' WHERE id = 1;
SELECT * FROM session;
INSERT INTO customers VALUES (3, 'bad');
SELECT * FROM session;
COMMIT;
SELECT * FROM session;
-- and after one that is let through.
CREATE TRIGGER complain BEFORE INSERT OR UPDATE ON contact_methods FOR EACH ROW EXECUTE FUNCTION complain('40001');
SET lock_timeout = '12s';
SET ROLE regress_guard_app;
BEGIN;
SAVEPOINT one;
UPDATE customers SET phone = 'bad' WHERE id = 2;
ROLLBACK TO one;
SELECT * FROM session;
ROLLBACK;
UPDATE customers SET phone = 'bad' WHERE id = 2;
SELECT * FROM session;
RESET ROLE;
RESET lock_timeout;
RESET deadlock_timeout;
SELECT * FROM session;
DROP TRIGGER complain ON contact_methods;

-- Inside, the wait for a lock ends before any other session looks for a deadlock, whatever the session says.
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE WARNING 'lock_timeout %, deadlock_timeout %', current_setting('lock_timeout'),
        current_setting('deadlock_timeout');
    RETURN NEW;
END
$$;
CREATE TRIGGER tell BEFORE UPDATE ON contact_methods FOR EACH ROW WHEN (NEW.method_type = 'sms')
    EXECUTE FUNCTION tell();
SHOW contact_sync.lock_timeout;
UPDATE customers SET phone = 'good 1' WHERE id = 1;
SET contact_sync.lock_timeout = '20ms';
UPDATE customers SET phone = 'good 2' WHERE id = 1;
SET contact_sync.lock_timeout = '1min';
UPDATE customers SET phone = 'good 3' WHERE id = 1;
SET deadlock_timeout = '200ms';
UPDATE customers SET phone = 'good 4' WHERE id = 1;
SET lock_timeout = '100ms';
UPDATE customers SET phone = 'good 5' WHERE id = 1;
RESET lock_timeout;
RESET deadlock_timeout;
RESET contact_sync.lock_timeout;
DROP TRIGGER tell ON contact_methods;

-- A user's trigger that sets a time-out of its own, for its transaction: the client's are what they were.
CREATE FUNCTION wait_longer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL lock_timeout = '7s';
    SET LOCAL deadlock_timeout = '8s';
    RETURN NEW;
END
$$;
CREATE TRIGGER wait_longer BEFORE UPDATE ON contact_methods FOR EACH ROW EXECUTE FUNCTION wait_longer();
\set time_outs 'SELECT lock_timeout, deadlock_timeout FROM session;'
SET lock_timeout = '12s';
UPDATE customers SET phone = 'good 6' WHERE id = 1;
:time_outs
BEGIN;
UPDATE customers SET phone = 'good 7' WHERE id = 1;
:time_outs
COMMIT;
:time_outs
BEGIN;
UPDATE customers SET phone = 'good 8' WHERE id = 1;
ROLLBACK;
:time_outs
UPDATE customers SET phone = 'bad' WHERE id = 1;
:time_outs
BEGIN;
SET LOCAL lock_timeout = '13s';
UPDATE customers SET phone = 'good 9' WHERE id = 1;
UPDATE customers SET phone = 'bad' WHERE id = 1;
:time_outs
COMMIT;
:time_outs
RESET lock_timeout;
DROP TRIGGER wait_longer ON contact_methods;

-- contact_sync.lock_timeout is at least 1 ms: without an upper end the wait could outlast another's deadlock check.
\set VERBOSITY sqlstate
SET contact_sync.lock_timeout = 0;
SET contact_sync.lock_timeout = -1;
SET contact_sync.lock_timeout = '1us';
\set VERBOSITY terse
SET contact_sync.lock_timeout = 1;
SHOW contact_sync.lock_timeout;
-- It is anybody's to set; contact_sync.enabled is a superuser's.
SET ROLE regress_guard_app;
SET contact_sync.lock_timeout = '2s';
SET contact_sync.enabled = off;
RESET ROLE;
RESET contact_sync.lock_timeout;
-- The prefix is ours: a setting with a typing error is told.
SET contact_sync.lock_time_out = '2s';

--
-- What a DBA can misconfigure does not abort either.  That part is skipped: a WARNING per session and cause, and a record
-- for the table, not for a customer.
--
ALTER TABLE contact_methods DROP CONSTRAINT is_good;
-- a missing column
:start
ALTER TABLE contact_methods RENAME phone_number TO number;
\set VERBOSITY default
:update
:insert
:copy
ALTER TABLE contact_methods RENAME number TO phone_number;
:outcome
\set VERBOSITY terse
-- a missing table
:start
ALTER TABLE contact_methods RENAME TO contact_methods_gone;
:update
:insert
:copy
SELECT count(*) FROM customers;
ALTER TABLE contact_preferences RENAME TO contact_preferences_gone;
INSERT INTO customers VALUES (8, 'good'), (9, 'good');
ALTER TABLE contact_preferences_gone RENAME TO contact_preferences;
ALTER TABLE contact_methods_gone RENAME TO contact_methods;
SELECT customer, function, sqlstate, message FROM contact_sync.failures ORDER BY function;
DELETE FROM contact_sync.failures;
-- something else under its name
:start
ALTER TABLE contact_methods RENAME TO contact_methods_gone;
CREATE VIEW contact_methods AS SELECT * FROM contact_methods_gone;
:update
:insert
:copy
DROP VIEW contact_methods;
ALTER TABLE contact_methods_gone RENAME TO contact_methods;
SELECT count(*) FROM contact_methods;
-- a table of another owner
:start
ALTER TABLE contact_methods OWNER TO regress_guard_app;
:update
:insert
:copy
ALTER TABLE contact_methods OWNER TO CURRENT_USER;
:outcome
SELECT customer, function, sqlstate, message FROM contact_sync.failures ORDER BY function;
-- A trigger made for the wrong time, level or event, or with too many arguments.  The row is saved: none returns NULL.
CREATE TRIGGER a_before BEFORE UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();
CREATE TRIGGER a_after AFTER UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.sync_contact_numbers();
CREATE TRIGGER a_statement AFTER UPDATE ON customers
    FOR EACH STATEMENT EXECUTE FUNCTION contact_sync.initialize_contact_preferences();
CREATE TRIGGER a_preference AFTER UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.initialize_contact_preferences();
CREATE TRIGGER a_truncate BEFORE TRUNCATE ON customers
    FOR EACH STATEMENT EXECUTE FUNCTION contact_sync.update_contact_methods();
CREATE TRIGGER a_delete BEFORE DELETE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.sync_contact_numbers();
CREATE TRIGGER four AFTER UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods('id', 'phone', 'whatsapp', 'fax');
UPDATE customers SET phone = 'last' WHERE id = 1 RETURNING phone;
DELETE FROM customers WHERE id = 2 RETURNING id;
TRUNCATE customers CASCADE;
-- Only a call outside a trigger raises.
\set VERBOSITY default
SELECT contact_sync.update_contact_methods();
\set VERBOSITY terse
DROP TABLE customers CASCADE;

--
-- Rights of the owner that are not what he needs
--
CREATE ROLE regress_guard_owner;
CREATE SCHEMA regress_guard_owner AUTHORIZATION regress_guard_owner;
GRANT USAGE ON SCHEMA regress_guard_owner TO regress_guard_app;
GRANT EXECUTE ON FUNCTION contact_sync.update_contact_methods() TO regress_guard_owner;
SET ROLE regress_guard_owner;
SET search_path = regress_guard_owner;
CREATE TABLE customers (id bigint PRIMARY KEY, phone text, whatsapp text);
CREATE TABLE contact_methods (
    customer_id bigint, method_type text, phone_number text, PRIMARY KEY (customer_id, method_type)
);
CREATE TRIGGER update_methods AFTER INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();
GRANT SELECT, INSERT, UPDATE ON customers TO regress_guard_app;
-- He has none on his own table: an error, and recorded.
REVOKE ALL ON contact_methods FROM regress_guard_owner;
SET ROLE regress_guard_app;
INSERT INTO customers VALUES (1, 'one', 'wa 1');
UPDATE customers SET phone = 'two';
COPY customers FROM STDIN (FORMAT csv);
2,copied,wa 2
\.
RESET ROLE;
SELECT id, phone, sqlstate, times FROM customers JOIN contact_sync.failures
    ON (customers_table, customer) = ('regress_guard_owner.customers', id::text) ORDER BY id;
SELECT count(*) FROM contact_methods;
GRANT ALL ON contact_methods TO regress_guard_owner;
-- Row-level security that is forced on him as well, with no policy at all, is none of the sync's.
ALTER TABLE contact_methods ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SET ROLE regress_guard_app;
UPDATE customers SET phone = 'three';
COPY customers FROM STDIN (FORMAT csv);
3,copied,wa 3
\.
RESET ROLE;
SELECT customer_id, string_agg(phone_number, ', ' ORDER BY method_type) FROM contact_methods GROUP BY 1 ORDER BY 1;
-- A client that will not be filtered by row-level security is not: the body's rights are the owner's.
SET ROLE regress_guard_app;
SET row_security = off;
UPDATE customers SET phone = 'four' WHERE id = 1;
RESET row_security;
RESET ROLE;
SELECT phone_number FROM contact_methods WHERE (customer_id, method_type) = (1, 'sms');

-- clean up
DELETE FROM contact_sync.failures;
RESET search_path;
DROP SCHEMA regress_guard, regress_guard_owner CASCADE;
REVOKE ALL ON FUNCTION contact_sync.update_contact_methods() FROM regress_guard_owner;
DROP ROLE regress_guard_owner, regress_guard_app;
