--
-- Columns of customers: attach takes those that exist and are of a text type, else it changes nothing; verify reports one
-- that is dropped or renamed later.
--
\pset format unaligned
\pset footer off
\pset null (null)
\set SHOW_CONTEXT never
SET client_min_messages = warning;

CREATE SCHEMA regress_columns;
SET search_path = regress_columns;
CREATE EXTENSION citext SCHEMA regress_columns;

-- What a call raises: its SQLSTATE, message, detail and hint.
CREATE FUNCTION raised(call text, OUT code text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE call;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
        hint = PG_EXCEPTION_HINT;
END
$$;
CREATE FUNCTION columns(customers regclass DEFAULT to_regclass('customers'), id_column name DEFAULT NULL,
                        phone_column name DEFAULT NULL, whatsapp_column name DEFAULT NULL)
RETURNS TABLE (check_name text, object text, status text, problem text, fix text)
BEGIN ATOMIC
    SELECT v.check_name, v.object, v.status, v.problem, v.fix
    FROM contact_sync.verify(customers, id_column, phone_column, whatsapp_column) v
    WHERE v.check_name LIKE 'number_column%' OR v.check_name = 'customers_key';
END;
CREATE VIEW triggers AS
    SELECT tgname, substring(pg_get_triggerdef(oid) FROM '\(.*\)$') AS arguments, tgenabled
    FROM pg_trigger WHERE tgrelid = to_regclass('customers') AND NOT tgisinternal ORDER BY tgname;
\set methods 'SELECT customer_id, method_type, phone_number FROM contact_methods ORDER BY 1, 2;'

--
-- A name that does not exist
--
-- A legacy trigger stays, and so does everything else.
CREATE TABLE customers (id bigint PRIMARY KEY, name text NOT NULL, phone varchar(20), whatsapp varchar(20), tags text[],
                        extra jsonb, active boolean, points numeric(6, 0), since date);
INSERT INTO customers VALUES (1, 'Asha', '0701', '0801');
CREATE FUNCTION update_contact_methods() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER trigger_update_contact_methods AFTER INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION update_contact_methods();
SELECT * FROM raised($$SELECT contact_sync.attach('customers', phone_column => 'fone')$$);
SELECT * FROM raised($$SELECT contact_sync.attach('customers', whatsapp_column => '')$$);
SELECT * FROM raised($$SELECT contact_sync.attach('customers', id_column => 'no', phone_column => 'fone')$$);
SELECT tgfoid::regprocedure FROM pg_trigger WHERE tgrelid = 'customers'::regclass;
SELECT to_regclass('contact_methods'), to_regclass('contact_preferences');
-- Nor is there drift by it.
SELECT * FROM raised($$SELECT contact_sync.drift('customers', phone_column => 'fone')$$);
CALL contact_sync.reconcile('customers', phone_column => 'fone');
-- verify says it in a row; of a column that nobody named and that is not there, that it is left alone.
SELECT * FROM columns('customers', phone_column => 'fone');
SELECT * FROM columns('customers', id_column => 'no');
-- A dropped column is none, whatever the catalog calls it.
ALTER TABLE customers DROP COLUMN since;
SELECT message FROM raised($$SELECT contact_sync.attach('customers', phone_column => '........pg.dropped.9........')$$);
-- A system column is none either.
SELECT code, message FROM raised($$SELECT contact_sync.attach('customers', phone_column => 'ctid')$$);

--
-- A type that is no text
--
SELECT c AS column, r.* FROM unnest('{tags,extra,active,points,id}'::text[]) AS c,
    raised(format($$SELECT contact_sync.attach('customers', phone_column => %L)$$, c)) AS r;
SELECT * FROM columns('customers', phone_column => 'tags', whatsapp_column => 'points');
SELECT code, message FROM raised($$SELECT contact_sync.drift('customers', whatsapp_column => 'active')$$);
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'customers'::regclass;
-- Also one that nobody named. Each hint, followed:
ALTER TABLE customers DROP COLUMN phone, DROP COLUMN whatsapp;
ALTER TABLE customers RENAME tags TO phone;
ALTER TABLE customers RENAME extra TO whatsapp;
UPDATE customers SET phone = '{0711,0722}', whatsapp = '"0733"';
SELECT * FROM raised($$SELECT contact_sync.attach('customers')$$);
ALTER TABLE regress_columns.customers ADD COLUMN phone_text text GENERATED ALWAYS AS (phone[1]) STORED;
SELECT * FROM raised($$SELECT contact_sync.attach('customers', phone_column => 'phone_text')$$);
ALTER TABLE regress_columns.customers ADD COLUMN whatsapp_text text GENERATED ALWAYS AS (whatsapp #>> '{}') STORED;
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers', phone_column => 'phone_text', whatsapp_column => 'whatsapp_text');
CALL contact_sync.reconcile('customers');
:methods
UPDATE customers SET phone = '{0712}', whatsapp = '"0734"';
:methods
SELECT count(*) FROM contact_sync.detach('customers');
DROP TABLE contact_methods, contact_preferences, contact_history;
-- numbers as numbers
SELECT * FROM columns('customers', phone_column => 'points', whatsapp_column => 'whatsapp_text');
SELECT fix FROM columns('customers', phone_column => 'points', whatsapp_column => 'whatsapp_text') WHERE fix IS NOT NULL \gexec
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers', phone_column => 'points', whatsapp_column => 'whatsapp_text');
SELECT count(*) FROM contact_sync.detach('customers');
DROP TABLE customers, contact_methods, contact_preferences, contact_history;
-- neither a column of a text type nor a key
CREATE TABLE customers (id bigint, phone boolean);
SELECT * FROM raised($$SELECT contact_sync.attach('customers', id_column => 'number')$$);
SELECT * FROM raised($$SELECT contact_sync.attach('customers')$$);
SELECT * FROM raised($$SELECT contact_sync.attach('customers', phone_column => 'mobile')$$);
ALTER TABLE customers ADD PRIMARY KEY (id);
ALTER TABLE regress_columns.customers ADD COLUMN mobile text;
SELECT * FROM columns('customers', phone_column => 'mobile');
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers', phone_column => 'mobile');
DROP TABLE customers, contact_methods, contact_preferences, contact_history;

-- What a text type is. What the triggers read is what attach accepts: both ask the same function.
CREATE DOMAIN word AS varchar(20);
CREATE DOMAIN short_word AS word CHECK (length(VALUE) < 9);
CREATE DOMAIN words AS text[];
CREATE TYPE mood AS ENUM ('0701', '0702');
CREATE TYPE pair AS (a text, b text);
SELECT t AS type, contact_sync_internal.is_text(t::regtype) AS is_text
FROM unnest('{text,varchar,char(9),citext,word,short_word,words,mood,pair,name,xml,json,jsonb,hstore,bytea,bit(8),bigint,
              numeric,boolean,uuid,inet,text[],"\"char\"",cstring,unknown}'::text[]) WITH ORDINALITY AS t(t, place)
WHERE to_regtype(t) IS NOT NULL ORDER BY place;
-- Each of them, in triggers that were made by hand: the customer's statement succeeds, and that column is left alone.
CREATE TABLE contact_methods (customer_id bigint, method_type text, phone_number text, UNIQUE (customer_id, method_type));
CREATE FUNCTION made_by_hand(type text, one text, two text, OUT row_of_customer text, OUT methods text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE customers (id bigint, phone %s, whatsapp text)', type);
    CREATE TRIGGER trigger_sync BEFORE INSERT OR UPDATE ON customers
        FOR EACH ROW EXECUTE FUNCTION contact_sync.sync_contact_numbers();
    CREATE TRIGGER trigger_methods AFTER INSERT OR UPDATE ON customers
        FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();
    EXECUTE format('INSERT INTO customers VALUES (1, %L, ''0801'')', one);
    EXECUTE format('UPDATE customers SET phone = %L, whatsapp = ''0802''', two);
    EXECUTE 'UPDATE customers SET phone = NULL';
    SELECT c::text INTO row_of_customer FROM customers c;
    SELECT string_agg(concat_ws(' ', m.method_type, m.phone_number), ', ' ORDER BY m.method_type) INTO made_by_hand.methods
    FROM contact_methods m;
    DROP TABLE customers;
    DELETE FROM contact_methods;
END
$$;
INSERT INTO contact_methods VALUES (1, 'sms', 'as it was');
SELECT * FROM made_by_hand('text[]', '{0701}', '{0702}');
INSERT INTO contact_methods VALUES (1, 'sms', 'as it was');
SELECT * FROM made_by_hand('jsonb', '"0701"', '"0702"');
SELECT * FROM made_by_hand('boolean', 'true', 'false');
SELECT * FROM made_by_hand('numeric', '701', '702');
SELECT * FROM made_by_hand('mood', '0701', '0702');
SELECT * FROM made_by_hand('pair', '(0701,)', '(0702,)');
SELECT * FROM made_by_hand('words', '{0701}', '{0702}');
SELECT * FROM made_by_hand('name', '0701', '0702');
-- ... also where that is all that changes, with one WARNING in a session and type.
CREATE TABLE customers (id bigint, phone jsonb, whatsapp jsonb);
CREATE TRIGGER trigger_methods AFTER INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods('', '', 'whatsapp');
INSERT INTO customers VALUES (1, '1', '2');
UPDATE customers SET phone = '2';
SELECT count(*) FROM contact_methods;
SELECT * FROM columns();
DROP TABLE customers, contact_methods;
SELECT customer, function, sqlstate FROM contact_sync.failures;

--
-- The triggers' arguments, and a column that vanishes
--
CREATE TABLE customers (id bigint PRIMARY KEY, phone text, whatsapp text);
INSERT INTO customers VALUES (1, '0701', '0801');
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers');
SELECT * FROM triggers;
CALL contact_sync.reconcile('customers');
-- Renamed: that is blocked, until the new name is passed. Meanwhile nothing is taken for an empty number.
ALTER TABLE customers RENAME phone TO telephone;
SELECT * FROM columns();
SELECT * FROM raised($$SELECT contact_sync.attach('customers')$$);
SELECT * FROM raised($$SELECT contact_sync.drift('customers')$$);
CALL contact_sync.reconcile('customers');
UPDATE customers SET telephone = '0702', whatsapp = '0802';
:methods
SELECT check_name, object, fix FROM contact_sync.attach('customers', phone_column => 'telephone');
SELECT count(*) FROM contact_sync.attach('customers');
SELECT customer, kind, method, expected, actual FROM contact_sync.drift('customers') ORDER BY method;
UPDATE customers SET telephone = '0703';
:methods
-- Gone for good: detach, and attach again. Its methods stay.
ALTER TABLE customers DROP COLUMN whatsapp;
SELECT * FROM columns();
SELECT code FROM raised($$SELECT contact_sync.attach('customers')$$);
SELECT code, message FROM raised($$SELECT contact_sync.attach('customers', whatsapp_column => 'whatsapp')$$);
SELECT count(*) FROM contact_sync.disable('customers');
SET client_min_messages = notice;
SELECT count(*) FROM contact_sync.enable('customers');
SET client_min_messages = warning;
SELECT count(*) FROM contact_sync.detach('customers');
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers', phone_column => 'telephone');
SELECT * FROM triggers;
SELECT * FROM columns();
UPDATE customers SET telephone = '0704';
:methods
-- It comes back: the triggers serve it as they are.
ALTER TABLE customers ADD COLUMN whatsapp text;
SELECT count(*) FROM contact_sync.attach('customers');
UPDATE customers SET whatsapp = '0804';
:methods
-- The key
ALTER TABLE customers RENAME id TO no;
SELECT * FROM columns();
SELECT code, detail FROM raised($$SELECT contact_sync.attach('customers')$$);
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers', id_column => 'no');
SELECT * FROM triggers;
DROP TABLE customers, contact_methods, contact_preferences, contact_history;
-- No phone: the argument is empty.
CREATE TABLE customers (id bigint PRIMARY KEY, whatsapp text);
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers');
SELECT * FROM triggers;
SELECT * FROM columns();
INSERT INTO customers VALUES (1, '0801');
:methods
SELECT count(*) FROM contact_sync.attach('customers');
DROP TABLE customers, contact_methods, contact_preferences, contact_history;
-- Triggers without arguments, or with fewer, are good: they mean the same.
CREATE TABLE customers (id bigint PRIMARY KEY, phone text, whatsapp text);
CREATE TRIGGER trigger_sync_contact_numbers BEFORE INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.sync_contact_numbers();
CREATE TRIGGER trigger_update_contact_methods AFTER INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods('id');
CREATE TRIGGER trigger_update_contact_methods_statement AFTER INSERT OR UPDATE ON customers
    FOR EACH STATEMENT EXECUTE FUNCTION contact_sync.update_contact_methods('id', '', 'whatsapp');
SELECT object FROM contact_sync.attach('customers') WHERE check_name = 'trigger';
SELECT * FROM triggers;
INSERT INTO customers VALUES (1, '0701', '0801');
:methods
SELECT * FROM raised($$UPDATE regress_columns.customers SET phone = '0702'$$);
:methods
-- Of triggers that say different things, the one with the most names counts.
CREATE TRIGGER a_wrong_one AFTER INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods('id', 'fone');
SELECT * FROM columns();
SELECT fix FROM contact_sync.attach('customers');
-- Triggers that were made for a column that never was: version 1.0 let attach make such ones.
DROP TABLE customers, contact_methods, contact_preferences, contact_history;
CREATE TABLE customers (id bigint PRIMARY KEY, phone text, whatsapp text);
CREATE TRIGGER trigger_update_contact_methods AFTER INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods('id', 'fone', 'whatsapp');
SELECT * FROM columns();
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers', phone_column => 'phone');
SELECT DISTINCT arguments FROM triggers;

-- clean up
DROP SCHEMA regress_columns CASCADE;
