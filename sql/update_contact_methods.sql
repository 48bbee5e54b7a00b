--
-- update_contact_methods: keeps contact_methods as the customer's numbers are.  OLD and NEW say which numbers changed;
-- what is written is the customer as it stands at that moment.
--
\pset format unaligned
\pset footer off
\pset null (null)
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
-- What was recorded, and then forgotten.
\set caught 'WITH caught AS (DELETE FROM contact_sync.failures RETURNING *) SELECT customer, times, sqlstate, message FROM caught ORDER BY customer;'

CREATE SCHEMA regress_methods;
SET search_path = regress_methods;
CREATE TABLE customers (id int PRIMARY KEY, phone text, whatsapp text, name text);
CREATE TABLE contact_preferences (customer_id int UNIQUE REFERENCES customers ON DELETE CASCADE ON UPDATE CASCADE,
    preferred_method text);
CREATE TABLE contact_methods (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    customer_id int REFERENCES customers ON DELETE CASCADE ON UPDATE CASCADE,
    method_type varchar(20) NOT NULL CHECK (method_type IN ('whatsapp', 'sms', 'phone_call')),
    phone_number varchar(20) NOT NULL,
    is_available boolean DEFAULT true,
    is_preferred boolean DEFAULT false,
    last_verified timestamptz,
    verification_status varchar(20) DEFAULT 'unknown',
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz DEFAULT now(),
    UNIQUE (customer_id, method_type)
);
CREATE TRIGGER trigger_update_contact_methods AFTER INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();

-- The methods, in one line each.
CREATE VIEW methods AS SELECT customer_id, method_type AS method, phone_number AS number FROM contact_methods
    ORDER BY customer_id, method_type;
-- What became of each row since remember(): 'not touched' means that it is the same version, xmin and all.
CREATE TABLE remembered AS SELECT xmin::text AS version, * FROM contact_methods;
CREATE PROCEDURE remember() LANGUAGE sql AS $$
    DELETE FROM remembered;
    INSERT INTO remembered SELECT xmin::text, * FROM contact_methods;
$$;
CREATE VIEW since AS
    SELECT coalesce(m.customer_id, r.customer_id) AS customer_id, coalesce(m.method_type, r.method_type) AS method,
           m.phone_number AS number,
           CASE WHEN r.id IS NULL THEN 'inserted' WHEN m.id IS NULL THEN 'deleted'
                WHEN m.xmin::text = r.version THEN 'not touched' ELSE 'updated' END AS became,
           m.is_available, m.is_preferred, m.last_verified IS NOT NULL AS verified, m.verification_status AS status,
           m.created_at = r.created_at AS same_age, m.updated_at > r.updated_at AS later
    FROM contact_methods m FULL JOIN remembered r USING (id) ORDER BY 1, 2;
-- An app that works with the methods: it has verified them all, and found one out of reach.
CREATE PROCEDURE work() LANGUAGE sql AS $$
    UPDATE contact_methods SET last_verified = '2024-05-01', verification_status = 'verified',
           is_preferred = method_type = 'phone_call', is_available = method_type <> 'sms',
           created_at = '2024-01-01', updated_at = '2024-01-01';
    CALL remember();
$$;

--
-- The table of rules, row by row
--
-- whatsapp is the method whatsapp; phone is sms and phone_call.
INSERT INTO customers VALUES (1, '0700', '0800'), (2, '0700', NULL), (3, '', '0800'), (4, ' ', NULL);
SELECT * FROM methods;
-- A number is what number() makes of it.
INSERT INTO customers VALUES (5, E'\t0700 ', E' 08 00\n');
SELECT method, format('[%s]', number) FROM methods WHERE customer_id = 5;
CALL work();

-- What it was before the statement: nothing at all.  No row is touched, no contact table locked, no subtransaction's XID
-- used up.
CREATE VIEW locks AS SELECT count(*) AS locks FROM pg_locks
    WHERE pid = pg_backend_pid() AND relation IN ('contact_methods'::regclass, 'contact_preferences'::regclass);
-- How many XIDs a statement takes beside its transaction's own.  Other sessions take some too: the fewest of many times.
CREATE TABLE marks (mark int);
CREATE FUNCTION xids(statement text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    before bigint;
    after bigint;
    fewest bigint;
BEGIN
    FOR i IN 1 .. 20 LOOP
        BEGIN
            INSERT INTO marks VALUES (i) RETURNING xmin::text::bigint INTO before;
        EXCEPTION WHEN no_data_found THEN
        END;
        EXECUTE statement USING i;
        BEGIN
            INSERT INTO marks VALUES (i) RETURNING xmin::text::bigint INTO after;
        EXCEPTION WHEN no_data_found THEN
        END;
        fewest := least(fewest, after - before - 1);
    END LOOP;
    RETURN fewest;
END
$$;
BEGIN;
UPDATE customers SET name = 'a' WHERE id = 1;
UPDATE customers SET phone = '0700', whatsapp = '0800' WHERE id = 1;
UPDATE customers SET phone = ' 0700', whatsapp = E'0800\n' WHERE id = 1;     -- the same numbers
UPDATE customers SET phone = NULL, whatsapp = '' WHERE id = 4;               -- none as before
UPDATE customers SET phone = NULL WHERE id = 3;
SELECT * FROM locks;
SELECT xids($$ UPDATE customers SET name = $1 WHERE id = 1 $$), xids($$ UPDATE customers SET phone = ' 0700' WHERE id = 1 $$);
COMMIT;
SELECT customer_id, method, became FROM since WHERE became <> 'not touched';
-- Nothing, even where the method's row is wrong, or not there: that is drift.
BEGIN;
UPDATE contact_methods SET phone_number = '0999' WHERE customer_id = 1 AND method_type = 'sms';
DELETE FROM contact_methods WHERE customer_id = 1 AND method_type = 'whatsapp';
UPDATE customers SET name = 'b', phone = '0700' WHERE id = 1;
SELECT customer_id, method, number, became FROM since WHERE customer_id = 1;
ROLLBACK;
-- A number that changed leaves such marks.
BEGIN;
UPDATE customers SET phone = '0701' WHERE id = 1;
SELECT locks > 0 AS locks FROM locks;
SELECT xids($$ UPDATE customers SET phone = '0700' || $1 WHERE id = 1 $$);
ROLLBACK;

-- Changed, and the method's row has another number: updated in place; id, created_at and is_preferred stay.
UPDATE customers SET phone = '0701' WHERE id = 1;
SELECT * FROM since WHERE customer_id = 1;
UPDATE customers SET whatsapp = '0801' WHERE id = 1;
SELECT * FROM since WHERE customer_id = 1;

-- Changed, and the method's row has this number already: not touched, last_verified and all else stay.
UPDATE contact_methods SET phone_number = '0702' WHERE customer_id = 1 AND method_type = 'phone_call';
CALL work();
UPDATE customers SET phone = '0702' WHERE id = 1;
SELECT * FROM since WHERE customer_id = 1;

-- Changed, and not there: inserted.
DELETE FROM contact_methods WHERE customer_id = 1 AND method_type = 'sms';
CALL remember();
UPDATE customers SET phone = '0703', whatsapp = '0803' WHERE id = 1;
SELECT customer_id, method, number, became FROM since WHERE customer_id = 1;
UPDATE customers SET phone = '0700', whatsapp = '0800' WHERE id = 4;
SELECT customer_id, method, number, became FROM since WHERE customer_id = 4;

-- Now empty, and there: deleted; blank is empty; and the other number's rows stay.
CALL remember();
UPDATE customers SET whatsapp = E' \t' WHERE id = 1;
SELECT customer_id, method, number, became FROM since WHERE customer_id = 1;
UPDATE customers SET phone = NULL WHERE id = 1;
SELECT customer_id, method, number, became FROM since WHERE customer_id = 1;
-- One emptied, the other changed, in one statement.
CALL remember();
UPDATE customers SET phone = '', whatsapp = '0804' WHERE id = 4;
SELECT customer_id, method, number, became FROM since WHERE customer_id = 4;

-- Many rows, each after its own kind, and only theirs.
CALL remember();
UPDATE customers SET phone = CASE id WHEN 2 THEN '0702' WHEN 3 THEN '0703' WHEN 5 THEN '' ELSE phone END;
SELECT customer_id, method, number, became FROM since;

--
-- is_preferred, where a row is inserted
--
-- As preferred_method says; without a preferences row, or without a preference: whatsapp.
TRUNCATE customers CASCADE;
CREATE VIEW preferred AS
    SELECT customer_id, string_agg(method_type, ' ' ORDER BY method_type) FILTER (WHERE is_preferred) AS preferred
    FROM contact_methods GROUP BY 1 ORDER BY 1;
INSERT INTO customers VALUES (1), (2), (3), (4);
INSERT INTO contact_preferences VALUES (1, 'sms'), (2, 'phone_call'), (3, NULL);
UPDATE customers SET phone = '0700', whatsapp = '0800';
SELECT * FROM preferred;
-- A preference for a method that the customer has no number for.
INSERT INTO customers VALUES (5);
INSERT INTO contact_preferences VALUES (5, 'whatsapp');
UPDATE customers SET phone = '0700' WHERE id = 5;
SELECT * FROM preferred WHERE customer_id = 5;
-- An update leaves it: it may be the app's own choice.
UPDATE contact_methods SET is_preferred = method_type = 'phone_call' WHERE customer_id = 1;
UPDATE customers SET phone = '0701', whatsapp = '0801' WHERE id = 1;
SELECT * FROM preferred WHERE customer_id = 1;
-- Without the column, and without the table.
ALTER TABLE contact_preferences RENAME preferred_method TO renamed;
INSERT INTO customers VALUES (6, '0700', '0800');
ALTER TABLE contact_preferences RENAME TO renamed;
INSERT INTO customers VALUES (7, '0700', '0800');
SELECT * FROM preferred WHERE customer_id > 5;
ALTER TABLE renamed RENAME TO contact_preferences;
ALTER TABLE contact_preferences RENAME renamed TO preferred_method;

--
-- What cannot be written
--
-- A number too long for phone_number is left out before any SQL runs, and recorded; the other number goes through.
TRUNCATE customers CASCADE;
INSERT INTO customers VALUES (1, '0700', '0800');
\set VERBOSITY default
UPDATE customers SET phone = '012345678901234567890', whatsapp = '0801' WHERE id = 1;
\set VERBOSITY terse
SELECT * FROM methods;
:caught
INSERT INTO customers VALUES (2, '0702', '012345678901234567890'), (3, '012345678901234567890', '012345678901234567890');
SELECT * FROM methods WHERE customer_id > 1;
:caught
-- White space at the ends does not count; characters count, not bytes.
UPDATE customers SET phone = '   01234567890123456789   ', whatsapp = repeat('７', 20 / char_length('７')) WHERE id = 1;
SELECT count(*) FROM methods WHERE customer_id = 1 AND number IN ('01234567890123456789', repeat('７', 20 / char_length('７')));
-- An error of the table: all of this customer's methods are as they were, the other customers' are right.
ALTER TABLE contact_methods ADD CONSTRAINT allowed CHECK (phone_number NOT LIKE '0999%');
\set VERBOSITY default
INSERT INTO customers VALUES (4, '0704', NULL), (5, '0705', '0999'), (6, '0706', NULL);
\set VERBOSITY terse
UPDATE customers SET phone = '0714', whatsapp = '0999' WHERE id = 4;
SELECT * FROM customers WHERE id > 3 ORDER BY id;
SELECT * FROM methods WHERE customer_id > 3;
:caught
ALTER TABLE contact_methods DROP CONSTRAINT allowed;
-- Without the unique constraint a row of its own could not be told from another session's.
ALTER TABLE contact_methods DROP CONSTRAINT contact_methods_customer_id_method_type_key;
UPDATE customers SET phone = '0715' WHERE id = 4;
SELECT * FROM methods WHERE customer_id = 4;
:caught
-- A deferrable one will do, though not for ON CONFLICT.
ALTER TABLE contact_methods ADD CONSTRAINT later UNIQUE (customer_id, method_type) DEFERRABLE;
UPDATE customers SET phone = '0716', whatsapp = '0816' WHERE id = 4;
SELECT * FROM methods WHERE customer_id = 4;
:caught
ALTER TABLE contact_methods DROP CONSTRAINT later, ADD UNIQUE (customer_id, method_type);

-- Without the table, or a column that is needed: one WARNING a session, and nothing recorded.
ALTER TABLE contact_methods RENAME phone_number TO number;
\set VERBOSITY default
UPDATE customers SET phone = '0717' WHERE id = 4;
\set VERBOSITY terse
UPDATE customers SET phone = '0718' WHERE id = 4;
ALTER TABLE contact_methods RENAME number TO phone_number;
ALTER TABLE contact_methods RENAME TO renamed;
UPDATE customers SET phone = '0719' WHERE id = 4;
UPDATE customers SET phone = '0720' WHERE id = 4;
INSERT INTO customers VALUES (7, '0707');
ALTER TABLE renamed RENAME TO contact_methods;
UPDATE customers SET phone = '0721' WHERE id = 4;
SELECT * FROM methods WHERE customer_id > 3;
:caught

-- Without the whatsapp column there is no whatsapp number to speak of: phone is maintained, nothing is deleted.
CALL remember();
ALTER TABLE customers DROP COLUMN whatsapp;
UPDATE customers SET phone = '0722' WHERE id = 4;
UPDATE customers SET phone = '0723' WHERE id = 4;
UPDATE customers SET phone = '' WHERE id = 6;
INSERT INTO customers VALUES (8, '0708');
SELECT customer_id, method, number, became FROM since WHERE customer_id > 3;
-- It is there again: it takes part again.
ALTER TABLE customers DROP COLUMN name, ADD COLUMN whatsapp text, ADD COLUMN name text;
UPDATE customers SET whatsapp = '0822' WHERE id = 4;
SELECT * FROM methods WHERE customer_id = 4;
:caught

-- contact_sync.enabled off: nothing.
SET contact_sync.enabled = off;
UPDATE customers SET phone = '0724' WHERE id = 4;
RESET contact_sync.enabled;
SELECT * FROM methods WHERE customer_id = 4;

--
-- As it stands at that moment
--
TRUNCATE customers CASCADE;
-- A user's trigger normalises the number in a nested UPDATE; its name sorts before ours, then after.
CREATE FUNCTION normalise() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE customers SET phone = regexp_replace(phone, '^0', '+255') WHERE id = NEW.id AND phone LIKE '0%';
    RETURN NULL;
END
$$;
CREATE TRIGGER a AFTER INSERT OR UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION normalise();
INSERT INTO customers VALUES (1, '0701');
UPDATE customers SET phone = '0711' WHERE id = 1;
ALTER TRIGGER a ON customers RENAME TO z;
INSERT INTO customers VALUES (2, '0702');
UPDATE customers SET phone = '0712' WHERE id = 2;
SELECT c.id, phone, method, number FROM customers c JOIN methods ON customer_id = c.id ORDER BY 1, 3;
-- It takes the number away altogether.
DROP TRIGGER z ON customers;
CREATE FUNCTION take_away() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE customers SET phone = NULL WHERE id = NEW.id AND phone = '0666';
    RETURN NULL;
END
$$;
CREATE TRIGGER a AFTER INSERT OR UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION take_away();
UPDATE customers SET phone = '0666';
INSERT INTO customers VALUES (3, '0666');
SELECT * FROM methods;
-- It deletes the customer, whose methods go and do not come back.
DROP TRIGGER a ON customers;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM customers WHERE id = NEW.id;
    RETURN NULL;
END
$$;
UPDATE customers SET phone = '0700';
CREATE TRIGGER a AFTER INSERT OR UPDATE ON customers FOR EACH ROW WHEN (NEW.phone = '0666') EXECUTE FUNCTION refuse();
UPDATE customers SET phone = '0666' WHERE id = 1;
INSERT INTO customers VALUES (4, '0666');
SELECT DISTINCT customer_id FROM methods;
:caught
DROP TRIGGER a ON customers;
-- The same customer twice in one statement: each event meets the customer as it is in the end.
CREATE FUNCTION twice() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_trigger_depth() = 1 THEN
        UPDATE customers SET phone = '0801' WHERE id = NEW.id;
        UPDATE customers SET phone = '0802' WHERE id = NEW.id;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER a AFTER UPDATE ON customers FOR EACH ROW EXECUTE FUNCTION twice();
UPDATE customers SET phone = '0800' WHERE id = 2;
SELECT c.id, phone, method, number FROM customers c JOIN methods ON customer_id = c.id WHERE c.id = 2 ORDER BY 3;
DROP TRIGGER a ON customers;
-- As a deferred constraint trigger it works at COMMIT, with what the whole transaction has made of the customer.
DROP TRIGGER trigger_update_contact_methods ON customers;
CREATE CONSTRAINT TRIGGER deferred AFTER INSERT OR UPDATE ON customers DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();
BEGIN;
INSERT INTO customers VALUES (5, '0705');
UPDATE customers SET phone = '0715' WHERE id = 5;
UPDATE customers SET phone = '0725', whatsapp = '0825' WHERE id = 5;
INSERT INTO customers VALUES (6, '0706');
DELETE FROM customers WHERE id = 6;
SELECT count(*) FROM methods WHERE customer_id > 4;
COMMIT;
SELECT * FROM methods WHERE customer_id > 4;
DROP TRIGGER deferred ON customers;
CREATE TRIGGER trigger_update_contact_methods AFTER INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();

-- A savepoint rolled back leaves the methods as before it.
BEGIN;
UPDATE customers SET phone = '0735' WHERE id = 5;
SAVEPOINT s;
UPDATE customers SET phone = '0745', whatsapp = NULL WHERE id = 5;
ROLLBACK TO s;
UPDATE customers SET name = 'e' WHERE id = 5;
COMMIT;
SELECT * FROM methods WHERE customer_id = 5;

--
-- The key
--
-- A changed key takes its methods along: the foreign key's own ON UPDATE CASCADE does, and nothing is doubled.
TRUNCATE customers CASCADE;
INSERT INTO customers VALUES (1, '0701', '0801'), (2, '0702', NULL);
CALL work();
UPDATE customers SET id = 11 WHERE id = 1;
SELECT m.customer_id, method_type, m.phone_number, m.is_preferred, m.last_verified IS NOT NULL AS verified
FROM contact_methods m JOIN remembered r USING (id, method_type) WHERE r.customer_id = 1 ORDER BY 2;
SELECT count(*) FROM methods;
-- Together with a number.
UPDATE customers SET id = 12, phone = '0712', whatsapp = NULL WHERE id = 2;
UPDATE customers SET id = 1, phone = '0711', whatsapp = NULL WHERE id = 11;
SELECT * FROM methods;
-- A trigger that fires before those of foreign keys (their names begin with RI_) leaves a change of the key alone: what it
-- wrote at the new key would be in their way.
ALTER TRIGGER trigger_update_contact_methods ON customers RENAME TO "AAA";
\set VERBOSITY default
UPDATE customers SET id = 2 WHERE id = 12;
\set VERBOSITY terse
UPDATE customers SET id = 3, phone = '0703' WHERE id = 1;
SELECT * FROM methods;
UPDATE customers SET phone = '0722' WHERE id = 2;
SELECT * FROM methods WHERE customer_id = 2;
ALTER TRIGGER "AAA" ON customers RENAME TO trigger_update_contact_methods;
:caught
-- Without a foreign key the rows at the new key are made; those at the old one are nobody's any more.
ALTER TABLE contact_methods DROP CONSTRAINT contact_methods_customer_id_fkey;
UPDATE customers SET id = 20 WHERE id = 2;
SELECT * FROM methods;
DELETE FROM contact_methods WHERE customer_id = 2;
-- Two customers swap their keys in one statement: each key has the numbers of the customer that has it now.
ALTER TABLE contact_preferences DROP CONSTRAINT contact_preferences_customer_id_fkey;
ALTER TABLE customers DROP CONSTRAINT customers_pkey, ADD PRIMARY KEY (id) DEFERRABLE;
UPDATE customers SET whatsapp = '0800' WHERE id = 20;
UPDATE customers SET id = 23 - id WHERE id IN (20, 3);
SELECT * FROM customers ORDER BY id;
SELECT * FROM methods;
:caught
-- A customer without a key has no methods.
ALTER TABLE customers DROP CONSTRAINT customers_pkey, ALTER id DROP NOT NULL;
INSERT INTO customers VALUES (NULL, '0700');
UPDATE customers SET phone = '0701' WHERE id IS NULL;
UPDATE customers SET id = 30 WHERE id IS NULL;
SELECT * FROM methods WHERE customer_id IS NULL OR customer_id = 30;
:caught

--
-- The tables
--
-- A table of methods with three columns: what it has not is not used.
DROP TABLE contact_methods, contact_preferences CASCADE;
CREATE TABLE contact_methods (customer_id int, method_type text, phone_number text, UNIQUE (customer_id, method_type));
CREATE VIEW methods AS SELECT customer_id, method_type AS method, phone_number AS number FROM contact_methods
    ORDER BY customer_id, method_type;
INSERT INTO customers VALUES (40, '0740', '0840');
SELECT * FROM methods;
UPDATE customers SET phone = '0741', whatsapp = NULL WHERE id = 40;
SELECT * FROM methods;
-- text has room for any number.
UPDATE customers SET phone = '012345678901234567890123456789' WHERE id = 40;
SELECT * FROM methods;
-- A row of that key which says nothing (null) gets its number.
UPDATE contact_methods SET phone_number = NULL;
UPDATE customers SET phone = '0742' WHERE id = 40;
SELECT * FROM methods;

-- The method's type may be an enum.
CREATE SCHEMA regress_methods_enum;
CREATE TYPE regress_methods_enum.method AS ENUM ('sms', 'phone_call', 'whatsapp');
CREATE TABLE regress_methods_enum.customers (id int, phone text, whatsapp text);
CREATE TABLE regress_methods_enum.contact_methods (customer_id int, method_type regress_methods_enum.method,
    phone_number text, UNIQUE (customer_id, method_type));
CREATE TRIGGER trigger_update_contact_methods AFTER INSERT OR UPDATE ON regress_methods_enum.customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();
INSERT INTO regress_methods_enum.customers VALUES (45, '0745', '0845');
UPDATE regress_methods_enum.customers SET phone = '0746', whatsapp = NULL;
SELECT * FROM regress_methods_enum.contact_methods ORDER BY method_type;
:caught

-- Names of any kind, numbers of any text type; the contact tables are those of the table's schema, not of search_path.
CREATE SCHEMA "Regress Methods";
CREATE TABLE "Regress Methods"."Kunden" ("Nr" int, "Telefon ""1""" char(9), "WhatsApp" varchar(30), phone text);
CREATE TABLE "Regress Methods".contact_methods (LIKE contact_methods INCLUDING ALL);
CREATE TRIGGER "Änderung" AFTER INSERT OR UPDATE ON "Regress Methods"."Kunden" FOR EACH ROW
    EXECUTE FUNCTION contact_sync.update_contact_methods('Nr', 'Telefon "1"', 'WhatsApp');
INSERT INTO "Regress Methods"."Kunden" VALUES (50, 255750, '0850', '0111');
UPDATE "Regress Methods"."Kunden" SET "Telefon ""1""" = 255751, phone = '0112';
SELECT * FROM "Regress Methods".contact_methods ORDER BY method_type;
SELECT * FROM methods WHERE customer_id = 50;
-- The trigger's columns change their names and the table its schema, in mid-session.
ALTER TABLE "Regress Methods"."Kunden" SET SCHEMA regress_methods;
UPDATE "Kunden" SET "WhatsApp" = '0851';
SELECT * FROM methods WHERE customer_id = 50;
ALTER TABLE "Kunden" RENAME "Nr" TO nr;
UPDATE "Kunden" SET "WhatsApp" = '0852';
SELECT * FROM methods WHERE customer_id = 50;

-- Partitions: by way of the parent or of the partition, the contact tables are the parent's.
CREATE SCHEMA regress_methods_parts;
CREATE TABLE parts (id int, phone text, whatsapp text, region text) PARTITION BY LIST (region);
CREATE TABLE regress_methods_parts.north PARTITION OF parts FOR VALUES IN ('n');
CREATE TABLE regress_methods_parts.south (region text, whatsapp text, phone text, id int);
ALTER TABLE parts ATTACH PARTITION regress_methods_parts.south FOR VALUES IN ('s');
CREATE TRIGGER trigger_update_contact_methods AFTER INSERT OR UPDATE ON parts
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();
CREATE VIEW methods_of_parts AS SELECT * FROM methods WHERE customer_id BETWEEN 60 AND 69;
INSERT INTO parts VALUES (60, '0760', '0860', 'n'), (61, '0761', NULL, 's');
INSERT INTO regress_methods_parts.south VALUES ('s', NULL, '0762', 62);
UPDATE regress_methods_parts.south SET phone = '0771' WHERE id = 61;
SELECT * FROM methods_of_parts;
-- A row that moves to another partition with a number emptied, or changed, at once.
UPDATE parts SET region = 's', phone = NULL WHERE id = 60;
UPDATE parts SET region = 'n', phone = '0781', whatsapp = '0881' WHERE id = 61;
UPDATE parts SET region = 'n' WHERE id = 62;
SELECT * FROM methods_of_parts;
-- An inheritance child has a trigger of its own; a row written by way of the parent counts too.
CREATE TABLE child () INHERITS (customers);
CREATE TRIGGER trigger_update_contact_methods AFTER INSERT OR UPDATE ON child
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();
INSERT INTO child VALUES (70, '0770');
UPDATE customers SET phone = '0771', whatsapp = '0871' WHERE id = 70;
SELECT * FROM methods WHERE customer_id = 70;
:caught

--
-- Triggers
--
-- A trigger made for another time, level or event does nothing, says so once, and the statement goes on.
CREATE TABLE wrong (id int, phone text, whatsapp text);
CREATE TRIGGER before_row BEFORE INSERT OR UPDATE OR DELETE ON wrong FOR EACH ROW
    EXECUTE FUNCTION contact_sync.update_contact_methods();
CREATE TRIGGER before_stmt BEFORE UPDATE ON wrong FOR EACH STATEMENT EXECUTE FUNCTION contact_sync.update_contact_methods();
CREATE TRIGGER after_delete AFTER DELETE ON wrong FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();
INSERT INTO wrong VALUES (80, '0780'), (81, '0781');
UPDATE wrong SET phone = '0790' WHERE id = 80;
DELETE FROM wrong WHERE id = 81;
SELECT * FROM wrong;
CREATE TABLE too_many (id int, phone text, whatsapp text);
CREATE TRIGGER t AFTER INSERT ON too_many FOR EACH ROW
    EXECUTE FUNCTION contact_sync.update_contact_methods('id', 'phone', 'whatsapp', 'email');
INSERT INTO too_many VALUES (82, '0782');
SELECT * FROM methods WHERE customer_id >= 80;
-- Of a partitioned table a cause is told once, not once a partition.
CREATE SCHEMA regress_methods_bare;
CREATE TABLE regress_methods_bare.customers (id int, phone text, whatsapp text) PARTITION BY LIST (id);
CREATE TABLE regress_methods_bare.one PARTITION OF regress_methods_bare.customers FOR VALUES IN (1);
CREATE TABLE regress_methods_bare.two PARTITION OF regress_methods_bare.customers FOR VALUES IN (2);
CREATE TRIGGER trigger_update_contact_methods AFTER INSERT OR UPDATE ON regress_methods_bare.customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();
INSERT INTO regress_methods_bare.customers VALUES (1, '1', '1'), (2, '2', '2');
-- Only a call outside a trigger raises.
\set VERBOSITY sqlstate
SELECT contact_sync.update_contact_methods();

-- clean up
DELETE FROM contact_sync.failures;
DROP SCHEMA regress_methods, regress_methods_parts, regress_methods_enum, regress_methods_bare, "Regress Methods" CASCADE;
