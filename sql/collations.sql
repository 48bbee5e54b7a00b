--
-- Collations: numbers and methods are compared bit by bit, whatever the types and collations of their columns.
--
\pset format unaligned
\pset footer off
\pset null (null)
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE SCHEMA regress_collations;
SET search_path = regress_collations;
CREATE EXTENSION citext SCHEMA regress_collations;
CREATE COLLATION one (LOCALE = 'C');
CREATE COLLATION two (LOCALE = 'C');
CREATE COLLATION three (LOCALE = 'C');
CREATE COLLATION four (LOCALE = 'C');
\set methods 'SELECT customer_id, method_type, phone_number, is_preferred FROM contact_methods ORDER BY customer_id, method_type::text;'

--
-- Each column has one of its own.
--
CREATE TABLE customers (id text COLLATE two PRIMARY KEY, phone varchar(20) COLLATE one, whatsapp text COLLATE two);
CREATE TABLE contact_preferences (
    customer_id text COLLATE three UNIQUE, preferred_method varchar(20) COLLATE four DEFAULT 'sms');
CREATE TABLE contact_methods (
    customer_id text COLLATE four, method_type varchar(20) COLLATE two, phone_number varchar(20) COLLATE three,
    is_preferred boolean, UNIQUE (customer_id, method_type));
CREATE TRIGGER trigger_sync_contact_numbers BEFORE INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.sync_contact_numbers();
CREATE TRIGGER trigger_initialize_contact_preferences AFTER INSERT ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.initialize_contact_preferences();
CREATE TRIGGER trigger_initialize_contact_preferences_statement AFTER INSERT ON customers
    FOR EACH STATEMENT EXECUTE FUNCTION contact_sync.initialize_contact_preferences();
CREATE TRIGGER trigger_update_contact_methods AFTER INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();
CREATE TRIGGER trigger_update_contact_methods_statement AFTER INSERT OR UPDATE ON customers
    FOR EACH STATEMENT EXECUTE FUNCTION contact_sync.update_contact_methods();
-- New customers, one and many; changed numbers, missing rows, empty numbers, changed keys, each for one and for many.
INSERT INTO customers VALUES ('1', '0701', '0801');
INSERT INTO customers VALUES ('2', '0702', '0802'), ('3', NULL, '0803'), ('4', '', NULL);
:methods
UPDATE customers SET phone = '0711', whatsapp = '0811' WHERE id = '1';
UPDATE customers SET phone = '072' || id, whatsapp = '' WHERE id > '1';
:methods
DELETE FROM contact_methods WHERE method_type = 'sms';
UPDATE customers SET phone = '0731' WHERE id = '1';
UPDATE customers SET phone = '073' || id, whatsapp = ' ' WHERE id > '1';
UPDATE customers SET phone = '', whatsapp = '' WHERE id > '2';
UPDATE customers SET id = id || 'x', phone = '0741' WHERE id < '3';
SELECT customer_id, method_type, phone_number FROM contact_methods ORDER BY 1, 2;
-- ... and by the two steps that rules ask for.
CREATE RULE elsewhere AS ON INSERT TO contact_methods WHERE NEW.method_type = 'email' DO INSTEAD NOTHING;
DELETE FROM contact_methods;
UPDATE customers SET phone = '0751' WHERE id = '1x';
UPDATE customers SET phone = '0752', whatsapp = '0852';
:methods
SELECT function, sqlstate, message FROM contact_sync.failures;
DROP TABLE customers, contact_methods, contact_preferences;

--
-- citext and enums: letters of another case are another text. The app's numbers may well have letters.
--
CREATE TYPE method AS ENUM ('phone_call', 'sms', 'whatsapp');
CREATE DOMAIN number AS citext CHECK (VALUE <> 'x');
CREATE TABLE customers (id citext PRIMARY KEY, phone citext, whatsapp number);
CREATE TABLE contact_preferences (customer_id citext UNIQUE, preferred_method citext DEFAULT 'SMS');
CREATE TABLE contact_methods (
    customer_id citext, method_type method, phone_number number, is_preferred boolean, UNIQUE (customer_id, method_type));
CREATE TRIGGER trigger_sync_contact_numbers BEFORE INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.sync_contact_numbers();
CREATE TRIGGER trigger_initialize_contact_preferences AFTER INSERT ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.initialize_contact_preferences();
CREATE TRIGGER trigger_update_contact_methods AFTER INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();
INSERT INTO customers VALUES ('a', '1-800-shop', 'shop'), ('b', NULL, 'Shop');
SELECT * FROM customers ORDER BY id;
:methods
UPDATE customers SET phone = '1-800-SHOP', whatsapp = 'SHOP' WHERE id = 'A';
UPDATE customers SET whatsapp = upper(whatsapp::text)::number WHERE id = 'b';
:methods
SELECT customer, kind, method, expected, actual FROM contact_sync.drift('customers') ORDER BY 1, 3;
-- method_type as citext: 'SMS' is not our sms, but in its way.
ALTER TABLE contact_methods ALTER COLUMN method_type TYPE citext;
UPDATE contact_methods SET method_type = 'SMS' WHERE customer_id = 'a' AND method_type = 'sms';
UPDATE customers SET phone = '0700' WHERE id = 'a';
:methods
SELECT function, sqlstate, message FROM contact_sync.failures;

-- clean up
DELETE FROM contact_sync.failures;
DROP SCHEMA regress_collations CASCADE;
