--
-- Rules on contact tables: what the rewriter makes of the sync's statements is executed whole, be it none, one or several.
--
\pset format unaligned
\pset footer off
\pset null -
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE SCHEMA regress_rules;
SET search_path = regress_rules;
CREATE TABLE customers (id int PRIMARY KEY, phone text, whatsapp text);
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers');
CREATE TABLE log (n serial, what text);
CREATE VIEW methods AS SELECT customer_id AS id,
        string_agg(method_type || ' ' || phone_number, ', ' ORDER BY method_type) AS methods
    FROM contact_methods GROUP BY 1 ORDER BY 1;
\set logged 'WITH logged AS (DELETE FROM log RETURNING *) SELECT string_agg(what, $$, $$ ORDER BY what) AS logged FROM logged;'

--
-- DO INSTEAD NOTHING: the statement list is empty. The rule decides what becomes of the contact rows.
--
INSERT INTO customers VALUES (1, '1', '1');
CREATE RULE no_delete AS ON DELETE TO contact_methods DO INSTEAD NOTHING;
UPDATE customers SET phone = NULL, whatsapp = NULL WHERE id = 1;
SELECT * FROM methods;
DROP RULE no_delete ON contact_methods;
CREATE RULE no_update AS ON UPDATE TO contact_methods DO INSTEAD NOTHING;
UPDATE customers SET phone = '2', whatsapp = '2' WHERE id = 1;
SELECT * FROM methods;
DROP RULE no_update ON contact_methods;
CREATE RULE no_insert AS ON INSERT TO contact_methods DO INSTEAD NOTHING;
INSERT INTO customers VALUES (2, '2', '2'), (3, '3', '3');
UPDATE customers SET phone = '22' WHERE id = 2;
SELECT * FROM methods;
DROP RULE no_insert ON contact_methods;
CREATE RULE no_insert AS ON INSERT TO contact_preferences DO INSTEAD NOTHING;
INSERT INTO customers VALUES (4, '4');
INSERT INTO customers VALUES (5, '5'), (6, '6');
SELECT customer_id FROM contact_preferences ORDER BY 1;
DROP RULE no_insert ON contact_preferences;
-- A session that made its plans before finds the rule, too.
UPDATE customers SET phone = 'before' WHERE id = 6;
CREATE RULE no_update AS ON UPDATE TO contact_methods DO INSTEAD NOTHING;
UPDATE customers SET phone = 'after' WHERE id = 6;
SELECT * FROM methods WHERE id = 6;
DROP RULE no_update ON contact_methods;
UPDATE customers SET phone = 'after all' WHERE id = 6;
SELECT * FROM methods WHERE id = 6;
SELECT customer, function, sqlstate, message FROM contact_sync.failures;
TRUNCATE customers CASCADE;

--
-- DO ALSO: the contact rows follow the customer, and the log has its rows.
--
INSERT INTO customers VALUES (1, '1', '1');
CREATE RULE log_insert AS ON INSERT TO contact_methods
    DO ALSO INSERT INTO log (what) VALUES ('+' || NEW.method_type || ' ' || NEW.phone_number);
CREATE RULE log_update AS ON UPDATE TO contact_methods
    DO ALSO INSERT INTO log (what) VALUES (NEW.method_type || ' ' || OLD.phone_number || '->' || NEW.phone_number);
CREATE RULE log_delete AS ON DELETE TO contact_methods
    DO ALSO INSERT INTO log (what) VALUES ('-' || OLD.method_type || ' ' || OLD.phone_number);
CREATE RULE log_insert AS ON INSERT TO contact_preferences
    DO ALSO INSERT INTO log (what) VALUES ('preferences ' || NEW.customer_id);
INSERT INTO customers VALUES (2, '2', '2');
SELECT * FROM methods;
:logged
INSERT INTO customers VALUES (3, '3', NULL), (4, NULL, '4');
SELECT * FROM methods;
:logged
UPDATE customers SET phone = concat(id, id);
SELECT * FROM methods;
:logged
UPDATE customers SET phone = NULL, whatsapp = NULL WHERE id IN (1, 2);
UPDATE customers SET phone = NULL, whatsapp = NULL WHERE id = 3;
SELECT * FROM methods;
:logged
-- Numbers of customers who had none, and some who have some: rows are inserted, and rules apply to what was inserted.
UPDATE customers SET phone = '0', whatsapp = '1' WHERE id < 4;
SELECT * FROM methods;
:logged
UPDATE customers SET phone = $$$$, whatsapp = NULL WHERE id = 4;
UPDATE customers SET phone = '44' WHERE id = 4;
SELECT * FROM methods WHERE id = 4;
:logged
SELECT customer, function, sqlstate, message FROM contact_sync.failures;

--
-- A condition, another table instead, several actions, NOTIFY; an action that fails is a failure.
--
CREATE TABLE archive (LIKE contact_methods);
CREATE RULE archive AS ON DELETE TO contact_methods WHERE OLD.method_type = 'sms' DO INSTEAD (
    INSERT INTO archive SELECT OLD.*;
    UPDATE contact_methods SET phone_number = 'archived' WHERE id = OLD.id
);
CREATE RULE tell AS ON UPDATE TO contact_methods DO ALSO NOTIFY regress_rules;
TRUNCATE log;
UPDATE customers SET phone = NULL, whatsapp = NULL WHERE id = 1;
SELECT * FROM methods WHERE id = 1;
SELECT method_type, phone_number FROM archive;
UPDATE customers SET phone = '10' WHERE id = 1;
SELECT * FROM methods WHERE id = 1;
ALTER TABLE log ADD CONSTRAINT short CHECK (length(what) < 20);
UPDATE customers SET whatsapp = 'a number of some length' WHERE id = 1;
UPDATE customers SET phone = 'a number of some length' WHERE id IN (1, 2);
SELECT * FROM methods WHERE id IN (1, 2);
SELECT customer, function, sqlstate, message FROM contact_sync.failures ORDER BY 1;
DELETE FROM contact_sync.failures;

-- verify has nothing against rules, and reconcile and drift live with them.
SELECT check_name, object, problem FROM contact_sync.verify('customers') WHERE status IN ('fix', 'blocked');
ALTER TABLE log DROP CONSTRAINT short;
TRUNCATE log;
DROP RULE archive ON contact_methods;
DELETE FROM contact_preferences WHERE customer_id = 3;
SELECT customer, kind, method FROM contact_sync.drift('customers');
CALL contact_sync.reconcile('customers');
SELECT count(*) FROM contact_sync.drift('customers');
:logged

-- clean up
DELETE FROM contact_sync.failures;
RESET search_path;
DROP SCHEMA regress_rules CASCADE;
