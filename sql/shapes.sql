--
-- Shapes of customers: whatever the table looks like, verify tells what is to be done, attach does it, and then an app
-- role can change a customer, whose contact methods follow.
--
\pset format unaligned
\pset footer off
\set SHOW_CONTEXT never
SET client_min_messages = warning;

CREATE ROLE regress_contact_app;
CREATE SCHEMA regress_shapes;
GRANT USAGE ON SCHEMA regress_shapes TO regress_contact_app;
SET search_path = regress_shapes;

-- Verify, attach, verify, and the app role's own statements: whether something was to be fixed and nothing is, and what
-- is in contact_methods in the end. Columns and statement as the shape has them.
CREATE FUNCTION used(customers regclass, statement text, id_column name DEFAULT NULL, phone_column name DEFAULT NULL,
                     whatsapp_column name DEFAULT NULL, OUT fixed boolean, OUT methods text) RETURNS record
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    to_fix bigint;
    left_over bigint;
BEGIN
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO regress_contact_app', customers);
    SELECT count(*) INTO to_fix
    FROM contact_sync.verify(customers, id_column, phone_column, whatsapp_column) WHERE status = 'fix';
    PERFORM contact_sync.attach(customers, id_column, phone_column, whatsapp_column);
    -- Nobody names the columns again.
    SELECT count(*) INTO left_over FROM contact_sync.verify(customers) WHERE status IN ('fix', 'blocked');
    fixed := to_fix > 0 AND left_over = 0;

    SET LOCAL ROLE regress_contact_app;
    EXECUTE statement;
    RESET ROLE;
    EXECUTE format($q$SELECT string_agg(format('%%s %%s %%s', customer_id, method_type, phone_number), ', '
                                        ORDER BY customer_id, method_type)
                      FROM %s.contact_methods$q$,
                   (SELECT relnamespace::regnamespace FROM pg_class WHERE oid = customers)) INTO methods;
END
$$;
-- What the next shape starts without
CREATE PROCEDURE clear() LANGUAGE sql SET search_path = regress_shapes AS
    'DROP TABLE customers, contact_methods, contact_preferences, contact_history';

--
-- The id
--
CREATE TABLE customers (id uuid PRIMARY KEY, phone text, whatsapp text);
INSERT INTO customers VALUES ('00000000-0000-4000-8000-000000000001', '1');
SELECT * FROM used('customers', $$UPDATE regress_shapes.customers SET phone = '2'$$);
CALL clear();
CREATE TABLE customers (id bigint PRIMARY KEY, phone text, whatsapp text);
INSERT INTO customers VALUES (1, '1', '1');
SELECT * FROM used('customers', $$UPDATE regress_shapes.customers SET phone = '2'$$);
CALL clear();
CREATE TABLE customers (id text PRIMARY KEY, phone text, whatsapp text);
INSERT INTO customers VALUES ('A', '1', '1');
SELECT * FROM used('customers', $$UPDATE regress_shapes.customers SET phone = '2', id = 'B'$$);
CALL clear();
CREATE DOMAIN customer_no AS bigint CHECK (VALUE > 0);
CREATE TABLE customers (id customer_no PRIMARY KEY, phone text, whatsapp text);
INSERT INTO customers VALUES (1, '1', '1');
SELECT * FROM used('customers', $$UPDATE regress_shapes.customers SET phone = '2'$$);
CALL clear();
-- numbered by the database
CREATE TABLE customers (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, phone text, whatsapp text);
SELECT * FROM used('customers', $$INSERT INTO regress_shapes.customers (phone) VALUES ('1')$$);
CALL clear();
-- unique, not the primary key
CREATE TABLE customers (tenant int, number int, id bigint NOT NULL UNIQUE, phone text, whatsapp text,
                        PRIMARY KEY (tenant, number));
SELECT * FROM used('customers', $$INSERT INTO regress_shapes.customers VALUES (1, 1, 7, '1')$$);
CALL clear();

--
-- Columns
--
-- Dropped and added again, while it is attached too: its place is another.
CREATE TABLE customers (whatsapp varchar(20), id bigint PRIMARY KEY, phone varchar(20));
INSERT INTO customers VALUES ('1', 1, '1');
ALTER TABLE customers DROP COLUMN whatsapp;
ALTER TABLE customers ADD COLUMN whatsapp text;
SELECT * FROM used('customers', $$UPDATE regress_shapes.customers SET whatsapp = 'longer than twenty letters'$$);
ALTER TABLE customers DROP COLUMN whatsapp;
SELECT check_name, status, problem FROM contact_sync.verify('customers') WHERE status <> 'ok';
UPDATE customers SET phone = '2';
ALTER TABLE customers ADD COLUMN whatsapp varchar(30);
SELECT check_name, status FROM contact_sync.verify('customers') WHERE status <> 'ok';
UPDATE customers SET whatsapp = '3';
SELECT method_type, phone_number FROM contact_methods ORDER BY 1;
CALL clear();
-- Generated: the number is what it is computed to be, and nobody's to fill.
CREATE TABLE customers (id bigint PRIMARY KEY, local text, phone text GENERATED ALWAYS AS ('+255' || local) STORED,
                        whatsapp text, label text GENERATED ALWAYS AS (upper(whatsapp)) STORED);
INSERT INTO customers (id, local) VALUES (1, '1');
SELECT * FROM used('customers', $$UPDATE regress_shapes.customers SET local = '2'$$);
CALL clear();

--
-- Names
--
-- Mixed case and quotes in each of them, and words of SQL
CREATE SCHEMA "regress Shapes";
GRANT USAGE ON SCHEMA "regress Shapes" TO regress_contact_app;
CREATE TABLE "regress Shapes"."Select" ("ID" int PRIMARY KEY, "order" text, "Whats""App" text);
INSERT INTO "regress Shapes"."Select" VALUES (1, '1');
SELECT * FROM used('"regress Shapes"."Select"', $$UPDATE "regress Shapes"."Select" SET "order" = '2'$$,
                   'ID', 'order', 'Whats"App');
-- Rows that cannot stay move all the same.
ALTER TABLE "regress Shapes".contact_methods DROP CONSTRAINT contact_methods_customer_id_fkey,
    DROP CONSTRAINT contact_methods_customer_id_method_type_key;
INSERT INTO "regress Shapes".contact_methods (customer_id, method_type, phone_number) VALUES
    (1, 'sms', 'newer'), (2, 'sms', 'nobody''s');
SELECT object FROM contact_sync.attach('"regress Shapes"."Select"');
SELECT source_table, reason, row_data ->> 'phone_number' AS phone_number
    FROM "regress Shapes".contact_quarantine ORDER BY id;
DROP SCHEMA "regress Shapes" CASCADE;

-- Two customers tables in two schemas, each with contact tables of its own: neither minds the other.
CREATE SCHEMA regress_shapes_2;
GRANT USAGE ON SCHEMA regress_shapes_2 TO regress_contact_app;
CREATE TABLE customers (id bigint PRIMARY KEY, phone text, whatsapp text);
CREATE TABLE regress_shapes_2.customers (id bigint PRIMARY KEY, phone text, whatsapp text);
INSERT INTO customers VALUES (1, '1', '1');
INSERT INTO regress_shapes_2.customers VALUES (1, '1', '1');
SELECT * FROM used('customers', $$UPDATE regress_shapes.customers SET phone = 'one'$$);
SELECT * FROM used('regress_shapes_2.customers', $$UPDATE regress_shapes_2.customers SET phone = 'other'$$);
SELECT phone_number FROM regress_shapes.contact_methods;
DROP SCHEMA regress_shapes_2 CASCADE;
CALL clear();

--
-- Partitioned tables
--
-- By range, in two levels: a partition may be the app's own target, come later, be attached or detached.
CREATE TABLE customers (id bigint PRIMARY KEY, phone text, whatsapp text) PARTITION BY RANGE (id);
CREATE TABLE customers_1 PARTITION OF customers FOR VALUES FROM (0) TO (10);
CREATE TABLE customers_2 PARTITION OF customers FOR VALUES FROM (10) TO (30) PARTITION BY RANGE (id);
CREATE TABLE customers_2a PARTITION OF customers_2 FOR VALUES FROM (10) TO (20);
INSERT INTO customers VALUES (1, '1', '1'), (11, '11', '11');
SELECT * FROM used('customers', $$UPDATE regress_shapes.customers SET phone = 'p' || id$$);
UPDATE customers_2a SET phone = 'direct';
SELECT phone_number FROM contact_methods WHERE customer_id = 11 ORDER BY 1;
CREATE TABLE customers_3 PARTITION OF customers FOR VALUES FROM (30) TO (40);
CREATE TABLE customers_4 (whatsapp text, phone text, id bigint NOT NULL);
INSERT INTO customers_4 VALUES ('4', '4', 41);
ALTER TABLE customers ATTACH PARTITION customers_4 FOR VALUES FROM (40) TO (50);
SELECT check_name, status, problem FROM contact_sync.verify('customers') WHERE status <> 'ok';
INSERT INTO customers VALUES (31, '31');
UPDATE customers SET phone = 'attached' WHERE id = 41;
SELECT customer_id, method_type, phone_number FROM contact_methods WHERE customer_id > 30 ORDER BY 1, 2;
-- A trigger switched off on one partition by hand is seen.
ALTER TABLE customers_4 DISABLE TRIGGER trigger_sync_contact_numbers;
ALTER TABLE customers_2a ENABLE REPLICA TRIGGER trigger_update_contact_methods;
SELECT check_name, problem, fix FROM contact_sync.verify('customers') WHERE status = 'fix';
SELECT object FROM contact_sync.attach('customers');
-- Contact rows keep the customers they are of: a partition goes when these are gone. Its own triggers go with it, until
-- they are detached; then it is a table like any other.
\set VERBOSITY sqlstate
ALTER TABLE customers DETACH PARTITION customers_4;
\set VERBOSITY default
DELETE FROM contact_methods WHERE customer_id > 40;
DELETE FROM contact_preferences WHERE customer_id > 40;
ALTER TABLE customers DETACH PARTITION customers_4;
SELECT * FROM contact_sync.detach('customers_4');
UPDATE customers_4 SET phone = 'detached';
SELECT count(*) FROM contact_methods WHERE customer_id = 41;
SELECT check_name, status, problem FROM contact_sync.verify('customers') WHERE status <> 'ok';
DROP TABLE customers_4;
CALL clear();
-- By hash
CREATE TABLE customers (id uuid PRIMARY KEY, phone text, whatsapp text) PARTITION BY HASH (id);
CREATE TABLE customers_0 PARTITION OF customers FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE customers_1 PARTITION OF customers FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO customers SELECT ('00000000-0000-4000-8000-00000000000' || n)::uuid, n FROM generate_series(1, 9) AS n;
SELECT count(DISTINCT tableoid) AS partitions FROM customers;
SELECT fixed FROM used('customers', $$UPDATE regress_shapes.customers SET phone = 'p'$$);
SELECT method_type, phone_number, count(*) FROM contact_methods GROUP BY 1, 2 ORDER BY 1;
CALL clear();

-- Contact tables may be partitioned, too: duplicates are found and moved across partitions.
CREATE TABLE customers (id bigint PRIMARY KEY, phone text, whatsapp text);
INSERT INTO customers VALUES (1, '1', '1');
CREATE TABLE contact_methods (customer_id bigint, method_type text, phone_number text) PARTITION BY LIST (method_type);
CREATE TABLE contact_methods_sms PARTITION OF contact_methods FOR VALUES IN ('sms');
CREATE TABLE contact_methods_other PARTITION OF contact_methods DEFAULT;
INSERT INTO contact_methods VALUES (1, 'sms', '1'), (1, 'sms', '2'), (1, 'whatsapp', '2'), (1, 'whatsapp', '1'),
    (2, 'phone_call', '2');
SELECT * FROM used('customers', $$UPDATE regress_shapes.customers SET phone = '3'$$);
SELECT reason, row_data FROM contact_quarantine ORDER BY reason, row_data ->> 'method_type';
CALL clear();
DROP TABLE contact_quarantine;
-- But not by what their unique constraint cannot hold.
CREATE TABLE customers (id bigint PRIMARY KEY, phone text, whatsapp text);
CREATE TABLE contact_methods (customer_id bigint, method_type text, phone_number text, created_at timestamptz)
    PARTITION BY RANGE (created_at);
CREATE TABLE contact_preferences (customer_id bigint) PARTITION BY HASH ((customer_id % 2));
SELECT check_name, object, problem FROM contact_sync.verify('customers') WHERE status = 'blocked';
DROP TABLE customers, contact_methods, contact_preferences;

--
-- Inheritance
--
CREATE TABLE customers (id bigint PRIMARY KEY, phone text, whatsapp text);
CREATE TABLE customers_child (branch text) INHERITS (customers);
INSERT INTO customers VALUES (1, '1', '1');
INSERT INTO customers_child VALUES (2, '2', '2', 'Arusha');
GRANT SELECT, INSERT, UPDATE ON customers_child TO regress_contact_app;
SELECT * FROM used('customers', $$UPDATE regress_shapes.customers SET phone = 'p' || id$$);
CREATE TABLE customers_late () INHERITS (customers);
SELECT object, problem FROM contact_sync.verify('customers') WHERE status = 'fix';
SELECT * FROM used('customers', $$INSERT INTO regress_shapes.customers_child VALUES (3, '3')$$);
DROP TABLE customers, contact_methods, contact_preferences, contact_history CASCADE;

SELECT customers_table, customer, message FROM contact_sync.failures;

-- clean up
RESET search_path;
DROP SCHEMA regress_shapes CASCADE;
DROP ROLE regress_contact_app;
