--
-- Collations that are not deterministic call different texts equal. Numbers and methods are compared bit by bit. Where the
-- server has no ICU there are no such collations: then all is skipped (collations_icu_1.out).
--
SELECT count(*) = 0 AS skip FROM pg_collation WHERE collprovider = 'i' \gset
\if :skip
\quit
\endif
\pset format unaligned
\pset footer off
\set SHOW_CONTEXT never
SET client_min_messages = warning;

CREATE SCHEMA regress_collations_icu;
SET search_path = regress_collations_icu;
-- Neither case nor punctuation matters to it.
CREATE COLLATION lax (PROVIDER = icu, LOCALE = 'und-u-ka-shifted-ks-level1', DETERMINISTIC = false);
SELECT '0711' = '07-11' COLLATE lax AS number, 'SMS' = 'sms' COLLATE lax AS method;
CREATE TABLE customers (id int PRIMARY KEY, phone varchar(20) COLLATE lax, whatsapp text COLLATE lax);
CREATE TABLE contact_preferences (customer_id int UNIQUE, preferred_method varchar(20) COLLATE lax DEFAULT 'SMS');
CREATE TABLE contact_methods (
    customer_id int, method_type varchar(20) COLLATE lax, phone_number varchar(20) COLLATE lax, is_preferred boolean,
    UNIQUE (customer_id, method_type));
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers');
\set methods 'SELECT customer_id, method_type, phone_number FROM contact_methods ORDER BY customer_id, method_type COLLATE "C";'
INSERT INTO customers VALUES (1, '0711', '08-11'), (2, '0712', '08-12');
:methods
-- The same to the collation, another number to us: for one customer, and for many.
UPDATE customers SET phone = '07-11' WHERE id = 1;
UPDATE customers SET whatsapp = replace(whatsapp, '-' COLLATE "C", '');
:methods
SELECT * FROM contact_sync.drift('customers');
UPDATE customers SET phone = '07 11' WHERE id = 1;
SELECT * FROM contact_sync.drift('customers');
DELETE FROM contact_methods WHERE customer_id = 1;
UPDATE customers SET phone = '0711', whatsapp = '0811' WHERE id = 1;
:methods
-- A method is its text: SMS is another one, but in the way of ours. So it is ours to write.
DELETE FROM contact_methods WHERE method_type = 'sms' AND customer_id = 2;
INSERT INTO contact_methods VALUES (2, 'SMS', '0712');
UPDATE customers SET phone = '07-12' WHERE id = 2;
:methods
SELECT function, sqlstate, message FROM contact_sync.failures;

-- clean up
RESET search_path;
DROP SCHEMA regress_collations_icu CASCADE;
