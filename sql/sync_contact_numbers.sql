--
-- sync_contact_numbers: of a customer's two numbers an empty one takes the other's value as it is; what the app sent is
-- never rewritten, and the customer's own row never fails for it.
--
\pset format unaligned
\pset footer off
\pset null (null)
\set VERBOSITY terse
\set SHOW_CONTEXT never
-- What was recorded, and then forgotten.
\set caught 'WITH caught AS (DELETE FROM contact_sync.failures RETURNING *) SELECT customer, times, sqlstate, message FROM caught ORDER BY customer;'

CREATE SCHEMA regress_sync;
SET search_path = regress_sync;
CREATE PROCEDURE attend(customers regclass, VARIADIC columns text[] DEFAULT '{}') LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE OR REPLACE TRIGGER trigger_sync_contact_numbers BEFORE INSERT OR UPDATE ON %s FOR EACH ROW '
                   'EXECUTE FUNCTION contact_sync.sync_contact_numbers(%s)', customers,
                   (SELECT string_agg(quote_literal(c), ', ') FROM unnest(columns) AS c));
END
$$;
CREATE TABLE customers (id int PRIMARY KEY, name text, phone varchar(20), whatsapp varchar(20));
CALL attend('customers');

--
-- When it fills
--
-- INSERT: exactly one is empty; it gets the other's value.
INSERT INTO customers VALUES (1, 'a', '0700', NULL), (2, 'b', NULL, '0800'), (3, 'c', '0700', ''), (4, 'd', ' ', '0800')
    RETURNING *;
-- Both empty, both full: nothing.
INSERT INTO customers VALUES (5, 'e', NULL, ''), (6, 'f', '0700', '0800') RETURNING *;
-- UPDATE: phone or whatsapp changed, and one of them is empty.
UPDATE customers SET phone = '0701' WHERE id = 5 RETURNING *;
UPDATE customers SET whatsapp = '0801', phone = NULL WHERE id = 6 RETURNING *;
-- So one number alone cannot be taken away; both can.
UPDATE customers SET whatsapp = NULL WHERE id = 1 RETURNING *;
UPDATE customers SET whatsapp = NULL, phone = '' WHERE id = 1 RETURNING *;
-- It never rewrites what the app sent: not a full number, and not an empty one beside another that is empty.
UPDATE customers SET phone = '0702' WHERE id = 2 RETURNING *;
INSERT INTO customers VALUES (7, 'g', ' ', E'\t') RETURNING quote_literal(phone), quote_literal(whatsapp);
-- The value goes over as it is, with its white space.
INSERT INTO customers VALUES (8, 'h', E' 07 00\t', NULL) RETURNING whatsapp = E' 07 00\t' AS as_it_is;

-- An UPDATE of something else fills nothing, though one number has been empty from before.
SET contact_sync.enabled = off;
INSERT INTO customers VALUES (10, 'j', '0710', NULL), (11, 'k', '', '0811');
RESET contact_sync.enabled;
UPDATE customers SET name = name || '!' WHERE id IN (10, 11) RETURNING *;
UPDATE customers SET phone = phone, whatsapp = whatsapp WHERE id IN (10, 11) RETURNING *;
-- Neither does another kind of nothing in the empty one.
UPDATE customers SET whatsapp = '' WHERE id = 10 RETURNING *;
-- A changed number does.
UPDATE customers SET phone = '0712' WHERE id = 10 RETURNING *;
UPDATE customers SET whatsapp = '0812' WHERE id = 11 RETURNING *;

-- A NOT NULL column that the app left out is filled before PostgreSQL looks at it; with no number at all the error is the
-- app's own.
CREATE TABLE strict (id int, phone text NOT NULL, whatsapp text NOT NULL);
CALL attend('strict');
INSERT INTO strict VALUES (1, '0700', NULL), (2, NULL, '0800') RETURNING *;
INSERT INTO strict VALUES (3, NULL, NULL);

-- contact_sync.enabled off: it returns the row as it came.
SET contact_sync.enabled = off;
INSERT INTO strict VALUES (4, '0700', '') RETURNING *;
UPDATE strict SET phone = '', whatsapp = '0800' WHERE id = 1 RETURNING *;
RESET contact_sync.enabled;

--
-- What fits
--
-- text to varchar(n): what fits goes over as it is.
CREATE TABLE narrow (id int, phone text, whatsapp varchar(20));
CALL attend('narrow');
INSERT INTO narrow VALUES (1, '01234567890123456789', NULL) RETURNING *;
-- What does not fit: the row is saved with the column as it was sent, a WARNING tells, and the failure is recorded.
\set VERBOSITY default
INSERT INTO narrow VALUES (2, '012345678901234567890', NULL), (3, '03', '') RETURNING *;
\set VERBOSITY sqlstate
UPDATE narrow SET phone = '012345678901234567890', whatsapp = '' WHERE id = 1 RETURNING *;
UPDATE narrow SET phone = '0123456789012345678901' WHERE id = 2 RETURNING *;
\set VERBOSITY terse
:caught
-- It is the value as it is that has to fit, and characters count, not bytes.
INSERT INTO narrow VALUES (4, '04                   ', NULL) RETURNING quote_nullable(whatsapp);
INSERT INTO narrow VALUES (5, repeat('７', 20 / char_length('７')), NULL) RETURNING whatsapp = phone AS filled;
:caught
-- varchar(n) to text always fits.
INSERT INTO narrow VALUES (6, NULL, '01234567890123456789') RETURNING *;
-- Both varchar, not as long.
CREATE TABLE two_lengths (id int, phone varchar(4), whatsapp varchar(6));
CALL attend('two_lengths');
INSERT INTO two_lengths VALUES (1, '0700', NULL), (2, NULL, '0700'), (3, NULL, '070000') RETURNING *;
:caught
-- char(n), whose blanks are none of its text.
CREATE TABLE padded (id int, phone char(8), whatsapp text);
CALL attend('padded');
INSERT INTO padded VALUES (1, '0700', NULL), (2, NULL, '0800'), (3, NULL, '012345678')
    RETURNING id, quote_nullable(phone), quote_nullable(whatsapp);
:caught

-- A long value, stored out of line, in the row that is being updated.
CREATE TABLE long_values (id int, phone text, whatsapp text);
ALTER TABLE long_values ALTER phone SET STORAGE EXTERNAL;
CALL attend('long_values');
INSERT INTO long_values VALUES (1, repeat(' ', 10000) || '0700', '0800');
UPDATE long_values SET whatsapp = NULL;
UPDATE long_values SET phone = '0701';
SELECT phone, whatsapp = repeat(' ', 10000) || '0700' AS filled FROM long_values;

-- The customer's row must stay one that can be stored, in its table and in each index. Random letters do not compress.
CREATE FUNCTION letters(length int) RETURNS text LANGUAGE sql VOLATILE AS
    $$ SELECT left(string_agg(md5(random()::text), ''), length) FROM generate_series(0, length / 32) $$;
CREATE PROCEDURE stores(customers regclass, VARIADIC lengths int[]) LANGUAGE plpgsql AS $$
DECLARE
    length int;
    filled boolean;
BEGIN
    CALL regress_sync.attend(customers);
    FOREACH length IN ARRAY lengths LOOP
        EXECUTE format('INSERT INTO %s (id, phone) VALUES (1, letters($1)) RETURNING whatsapp IS NOT NULL', customers)
            INTO filled USING length;
        RAISE WARNING '%: phone of % letters saved, whatsapp %', customers, length, CASE WHEN filled THEN 'filled' ELSE 'left' END;
    END LOOP;
    EXECUTE format('TRUNCATE %s', customers);
END
$$;
CREATE TABLE plain (id int, phone text, whatsapp text);
ALTER TABLE plain ALTER phone SET STORAGE PLAIN, ALTER whatsapp SET STORAGE PLAIN;
CALL stores('plain', 3000, 4100, 8000);
ALTER TABLE plain ALTER whatsapp SET STORAGE MAIN;
CALL stores('plain', 3000, 4100, 8000);
ALTER TABLE plain DROP phone, DROP whatsapp, ADD phone varchar(5000), ADD whatsapp varchar(5000);
CALL stores('plain', 3000, 4100, 5000);
-- Many columns: none of them can go out of line.
DO $$
BEGIN
    EXECUTE (SELECT 'CREATE TABLE many (id int, phone text, whatsapp text, none int, '
                    || string_agg(format('c%s bigint DEFAULT 1', n), ', ') || ')' FROM generate_series(1, 997) AS n);
END
$$;
CALL stores('many', 10, 20, 100);
-- A generated column that is stored doubles what is filled.
CREATE TABLE doubled (id int, phone text, whatsapp text, both_numbers text GENERATED ALWAYS AS (phone || whatsapp) STORED);
ALTER TABLE doubled ALTER both_numbers SET STORAGE PLAIN;
CALL stores('doubled', 3000, 4000, 4100);
-- Indexes: alone, beside another column, of an expression, covering, of other kinds
CREATE TABLE with_index (id int, phone text, whatsapp text);
CREATE INDEX of_whatsapp ON with_index (whatsapp);
CALL stores('with_index', 500, 3000, 9000);
DROP INDEX of_whatsapp;
CREATE INDEX of_phone ON with_index (id) INCLUDE (phone, whatsapp);
CALL stores('with_index', 500, 1400);
DROP INDEX of_phone;
CREATE INDEX of_both ON with_index ((phone || whatsapp));
CALL stores('with_index', 200, 1400);
DROP INDEX of_both;
CREATE INDEX of_each ON with_index ((lower(phone)), (repeat(whatsapp, 2)));
CALL stores('with_index', 200, 1400);
DROP INDEX of_each;
CREATE INDEX hashed ON with_index USING hash (whatsapp);
CALL stores('with_index', 500, 3000, 9000);
DROP INDEX hashed;
CREATE INDEX words ON with_index USING gin (to_tsvector('simple', whatsapp));
CALL stores('with_index', 500, 3000);
DROP INDEX words;
CREATE INDEX ranges ON with_index USING brin (whatsapp);
CALL stores('with_index', 500, 3000, 9000);
SELECT DISTINCT message FROM contact_sync.failures ORDER BY 1;
DELETE FROM contact_sync.failures;

-- A domain: its constraints have to let the value pass.
CREATE DOMAIN international AS text CHECK (VALUE LIKE '+%');
CREATE TABLE with_domain (id int, phone text, whatsapp international);
CALL attend('with_domain');
INSERT INTO with_domain VALUES (1, '+255700', NULL), (2, '0700', NULL), (3, NULL, '+255800') RETURNING *;
:caught
-- The same domain in both columns; a domain over varchar(n), which has its length.
CREATE TABLE two_domains (id int, phone international, whatsapp international);
CALL attend('two_domains');
INSERT INTO two_domains VALUES (1, '+255700', NULL) RETURNING *;
CREATE DOMAIN short AS varchar(4);
CREATE TABLE short_domain (id int, phone short, whatsapp text);
CALL attend('short_domain');
INSERT INTO short_domain VALUES (1, '0700', ''), (2, '', '0800'), (3, NULL, '08000') RETURNING *;
:caught

-- citext.
CREATE EXTENSION citext SCHEMA regress_sync;
CREATE TABLE with_citext (id int, phone citext, whatsapp varchar(4));
CALL attend('with_citext');
INSERT INTO with_citext VALUES (1, '0700', NULL), (2, NULL, '0800'), (3, '07000', NULL), (4, ' ', NULL) RETURNING *;
:caught

-- A type that is no text: neither column is filled.
CREATE TABLE with_bigint (id int, phone bigint, whatsapp text);
CALL attend('with_bigint');
INSERT INTO with_bigint VALUES (1, 255700, ''), (2, NULL, '255800'), (3, 0, '0800') RETURNING *;
:caught

--
-- Constraints of the table
--
-- CHECK: satisfied, violated, raising an error of its own.
CREATE FUNCTION is_known(number text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF number = '0666' THEN
        RAISE EXCEPTION 'number % is in nobody''s list', number;
    END IF;
    RETURN true;
END
$$;
CREATE TABLE checked (id int, phone text, whatsapp text, CHECK (whatsapp <> '0999'), CHECK (is_known(whatsapp)));
CALL attend('checked');
INSERT INTO checked VALUES (1, '0700', NULL), (2, '0999', NULL), (3, '0666', NULL) RETURNING *;
:caught
UPDATE checked SET phone = '0999', whatsapp = NULL WHERE id = 1 RETURNING *;
UPDATE checked SET phone = '0701' WHERE id = 1 RETURNING *;
:caught
-- A constraint that is on both columns, on the whole row, or not validated yet, counts as well.
CREATE TABLE both_checked (id int, phone text, whatsapp text, CHECK (phone <> whatsapp));
CALL attend('both_checked');
INSERT INTO both_checked VALUES (1, '0700', NULL), (2, '0700', '0800') RETURNING *;
CREATE TABLE row_checked (id int, phone text, whatsapp text);
ALTER TABLE row_checked ADD CHECK (row_checked.*::text NOT LIKE '%0999)') NOT VALID;
CALL attend('row_checked');
INSERT INTO row_checked VALUES (3, '0700', NULL), (4, '0999', NULL) RETURNING *;
:caught
-- Neither may the filled column make the row fail in another way: a column that is generated from it (under a unique
-- index, a CHECK, or of a type too narrow), a foreign key, an index whose expression raises.
SET client_min_messages = error;
CREATE TABLE generated_unique (id int, phone text, whatsapp text,
    digits text GENERATED ALWAYS AS (regexp_replace(whatsapp, '\D', '', 'g')) STORED UNIQUE);
CALL attend('generated_unique');
INSERT INTO generated_unique VALUES (1, '0700', NULL), (2, '07-00', NULL) RETURNING *;
CREATE TABLE generated_checked (id int, phone text, whatsapp text,
    digits text GENERATED ALWAYS AS (whatsapp) STORED CHECK (digits <> '0999'));
CALL attend('generated_checked');
INSERT INTO generated_checked VALUES (1, '0999', NULL) RETURNING *;
CREATE TABLE generated_narrow (id int, phone text, whatsapp text,
    digits varchar(4) GENERATED ALWAYS AS (whatsapp) STORED);
CALL attend('generated_narrow');
INSERT INTO generated_narrow VALUES (1, '07000', NULL) RETURNING *;
CREATE TABLE known_numbers (number text PRIMARY KEY);
CREATE TABLE referring (id int, phone text, whatsapp text REFERENCES known_numbers);
CALL attend('referring');
INSERT INTO referring VALUES (1, '0700', NULL) RETURNING *;
CREATE TABLE indexed_raising (id int, phone text, whatsapp text);
CREATE INDEX ON indexed_raising ((whatsapp::bigint));
CALL attend('indexed_raising');
INSERT INTO indexed_raising VALUES (1, '07-00', NULL) RETURNING *;
-- An index row has not room for everything.
CREATE TABLE indexed_plainly (id int, phone text, whatsapp text);
CREATE INDEX ON indexed_plainly (whatsapp);
CALL attend('indexed_plainly');
INSERT INTO indexed_plainly SELECT 1, string_agg(md5(i::text), ''), NULL FROM generate_series(1, 300) AS i
    RETURNING id, length(phone), whatsapp;
RESET client_min_messages;
-- Where the generated column is as it should be, the number is filled; a CHECK sees it, and the table's own OID.
INSERT INTO generated_narrow VALUES (2, '0700', NULL) RETURNING *;
CREATE TABLE generated_seen (id int, phone text, whatsapp text, digits text GENERATED ALWAYS AS (whatsapp) STORED,
    CHECK (whatsapp IS NULL OR digits IS NOT NULL), CHECK (whatsapp IS NULL OR tableoid = 'generated_seen'::regclass));
CALL attend('generated_seen');
INSERT INTO generated_seen VALUES (1, '0700', NULL) RETURNING *;
DELETE FROM contact_sync.failures;
-- What the app itself sent against a constraint is its own error.
INSERT INTO checked VALUES (4, NULL, '0999');
INSERT INTO checked VALUES (5, '0700', '0666');
-- A constraint that does not mention the column is not asked: it would be asked twice for each row.
CREATE SEQUENCE asked;
CREATE TABLE counting (id int, phone text, whatsapp text, name text CHECK (nextval('asked') > 0));
CALL attend('counting');
INSERT INTO counting VALUES (1, '0700', NULL), (2, '0700', NULL);
SELECT last_value FROM asked;

-- A column under a unique index is never filled: another row might hold the number.  That is how the table is made and
-- not a failure: one WARNING a session, and nothing recorded.
CREATE TABLE with_unique (id int, phone text, whatsapp text UNIQUE);
CALL attend('with_unique');
\set VERBOSITY default
INSERT INTO with_unique VALUES (1, '0700', NULL), (2, '0701', NULL) RETURNING *;
\set VERBOSITY terse
INSERT INTO with_unique VALUES (3, '0700', '') RETURNING *;
-- The other column is filled.
INSERT INTO with_unique VALUES (4, NULL, '0800') RETURNING *;
-- An index on an expression of the column, or with a condition on it.
CREATE TABLE unique_expression (id int, phone text, whatsapp text);
CREATE UNIQUE INDEX ON unique_expression (contact_sync.number(whatsapp));
CALL attend('unique_expression');
INSERT INTO unique_expression VALUES (1, '0700', NULL), (2, '0700', NULL) RETURNING *;
CREATE TABLE unique_partial (id int, phone text, whatsapp text);
CREATE UNIQUE INDEX ON unique_partial (id) WHERE phone IS NOT NULL;
CALL attend('unique_partial');
INSERT INTO unique_partial VALUES (1, NULL, '0800'), (1, '0700', NULL) RETURNING *;
-- A deferrable constraint, whose error would come at COMMIT.
CREATE TABLE unique_deferrable (id int, phone text, whatsapp text UNIQUE DEFERRABLE INITIALLY DEFERRED);
CALL attend('unique_deferrable');
INSERT INTO unique_deferrable VALUES (1, '0700', NULL), (2, '0700', NULL) RETURNING *;
-- An exclusion constraint.
CREATE TABLE excluding (id int, phone text, whatsapp text, EXCLUDE (phone WITH =));
CALL attend('excluding');
INSERT INTO excluding VALUES (1, NULL, '0800'), (2, '0700', NULL) RETURNING *;
-- An index that is not unique, or only carries the column along, is no obstacle.
CREATE TABLE indexed (id int, phone text, whatsapp text, UNIQUE (id) INCLUDE (phone, whatsapp));
CREATE INDEX ON indexed (whatsapp);
CALL attend('indexed');
INSERT INTO indexed VALUES (1, '0700', NULL), (2, NULL, '0700') RETURNING *;
-- The index is dropped in mid-session, and another made: the next row knows.
ALTER TABLE with_unique DROP CONSTRAINT with_unique_whatsapp_key;
INSERT INTO with_unique VALUES (5, '0700', NULL) RETURNING *;
ALTER TABLE with_unique ADD UNIQUE (id, phone);
INSERT INTO with_unique VALUES (6, '0700', NULL), (6, NULL, '0700') RETURNING *;
:caught

--
-- Columns
--
-- A generated column is nobody's to fill.
CREATE TABLE with_generated (id int, phone text, whatsapp text GENERATED ALWAYS AS (nullif(phone, '0700')) STORED);
CALL attend('with_generated');
INSERT INTO with_generated VALUES (1, '0700'), (2, NULL), (3, '0701') RETURNING *;
-- Without one of the two columns there is nothing to do, and one WARNING a session says so.
CREATE TABLE phone_only (id int, phone text);
CALL attend('phone_only');
INSERT INTO phone_only VALUES (1, '0700');
INSERT INTO phone_only VALUES (2, NULL);
UPDATE phone_only SET phone = '0800' RETURNING *;
-- Dropped and added again in mid-session.
ALTER TABLE customers DROP COLUMN whatsapp;
INSERT INTO customers VALUES (20, 't', '0720');
ALTER TABLE customers ADD COLUMN whatsapp text;
INSERT INTO customers VALUES (21, 'u', '0721') RETURNING *;
-- Dropped columns before and between the two.
CREATE TABLE dropped (a int, id int, b text, phone text, c text, whatsapp text);
ALTER TABLE dropped DROP a, DROP b, DROP c;
CALL attend('dropped');
INSERT INTO dropped VALUES (1, '0700', NULL), (2, NULL, '0800') RETURNING *;
-- A table without the key: numbers need none.
CREATE TABLE keyless (phone varchar(4), whatsapp text);
CALL attend('keyless');
INSERT INTO keyless VALUES ('0700', NULL), (NULL, '08000') RETURNING *;
:caught

-- The trigger's arguments name other columns, in this order: id, phone, whatsapp.
CREATE TABLE "Kunden" ("Nr" int, "Telefon" text, "What's ""App""" varchar(4), phone text, whatsapp text);
CALL attend('"Kunden"', 'Nr', 'Telefon', 'What''s "App"');
INSERT INTO "Kunden" VALUES (1, '0700', NULL, '0111', NULL), (2, '07000', NULL, NULL, NULL) RETURNING *;
:caught
-- Each is optional, from the right.
CREATE TABLE one_argument (nr int, tel text, phone text, whatsapp text);
CALL attend('one_argument', 'nr', 'tel');
INSERT INTO one_argument VALUES (1, '0700', NULL, NULL) RETURNING *;
-- An argument that names no column, and one argument too many.
CREATE TABLE misnamed (id int, phone text, whatsapp text);
CALL attend('misnamed', 'id', 'Phone');
INSERT INTO misnamed VALUES (1, '0700', NULL) RETURNING *;
CREATE TABLE too_many (id int, phone text, whatsapp text);
CALL attend('too_many', 'id', 'phone', 'whatsapp', 'email');
INSERT INTO too_many VALUES (1, '0700', NULL) RETURNING *;

--
-- Partitions and children
--
-- Where the numbers say which partition a row belongs to, it is not filled out of its partition.
CREATE TABLE by_number (id int, phone text, whatsapp text) PARTITION BY LIST (whatsapp);
CREATE TABLE by_number_none PARTITION OF by_number FOR VALUES IN (NULL, '');
CREATE TABLE by_number_some PARTITION OF by_number DEFAULT;
CALL attend('by_number');
INSERT INTO by_number VALUES (1, '0700', NULL), (2, NULL, '0800') RETURNING tableoid::regclass, *;
SELECT customers_table, function FROM contact_sync.failures;      -- the topmost parent's name
:caught
-- A partition with its columns in an order of its own, and with a constraint of its own.
CREATE TABLE parts (id int, phone text, whatsapp varchar(20)) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF parts FOR VALUES FROM (1) TO (10);
CREATE TABLE part_2 (gone int, whatsapp varchar(20), id int NOT NULL, phone text, CHECK (whatsapp <> '0999'));
ALTER TABLE part_2 DROP gone;
ALTER TABLE parts ATTACH PARTITION part_2 FOR VALUES FROM (10) TO (20);
CALL attend('parts');
INSERT INTO parts VALUES (1, '0999', NULL), (2, NULL, '0800'), (11, '0999', NULL), (12, '0700', NULL), (13, NULL, '0800')
    RETURNING tableoid::regclass, *;
:caught
-- DML aimed at a partition counts too, and so does a row that moves.
INSERT INTO part_2 VALUES (NULL, 14, '0714') RETURNING *;
UPDATE parts SET id = 15, phone = '0715', whatsapp = '' WHERE id = 1 RETURNING tableoid::regclass, *;
-- An inheritance child has triggers of its own.
CREATE TABLE child (more text) INHERITS (narrow);
CALL attend('child');
INSERT INTO child VALUES (7, '0700', NULL) RETURNING *;
UPDATE narrow SET phone = NULL WHERE id = 7 RETURNING *;

--
-- Upserts
--
-- The row that an INSERT ... ON CONFLICT proposes is filled before the conflict is found, so EXCLUDED has the filled number
-- (the legacy trigger did the same): what keeps a number where none is sent takes the phone.
CREATE TABLE shop (id int PRIMARY KEY, phone text, whatsapp text);
CALL attend('shop');
INSERT INTO shop VALUES (1, '0700', '0800');
INSERT INTO shop VALUES (1, '0701', NULL)
    ON CONFLICT (id) DO UPDATE SET phone = EXCLUDED.phone, whatsapp = COALESCE(EXCLUDED.whatsapp, shop.whatsapp)
    RETURNING *;
-- As PostgREST does it for objects of which one lacks the key: that one's number is null.
UPDATE shop SET whatsapp = '0800';
INSERT INTO shop (id, phone, whatsapp)
    SELECT id, phone, whatsapp FROM json_to_recordset('[{"id": 2, "phone": "0702", "whatsapp": "0802"}, {"id": 1, "phone": "0703"}]')
        AS payload(id int, phone text, whatsapp text)
    ON CONFLICT (id) DO UPDATE SET id = EXCLUDED.id, phone = EXCLUDED.phone, whatsapp = EXCLUDED.whatsapp
    RETURNING *;
-- A column that is not assigned keeps what it has: by columns=id,phone in PostgREST, or where no object has the key.
UPDATE shop SET whatsapp = '0800';
INSERT INTO shop (id, phone) VALUES (1, '0704'), (3, '0705')
    ON CONFLICT (id) DO UPDATE SET id = EXCLUDED.id, phone = EXCLUDED.phone
    RETURNING *;
-- In SQL, MERGE compares with the rows as they were sent.
MERGE INTO shop USING (VALUES (1, '0706', NULL), (2, '0707', '0807'), (4, '0708', NULL)) AS sent(id, phone, whatsapp)
    ON shop.id = sent.id
    WHEN MATCHED THEN UPDATE SET phone = sent.phone, whatsapp = COALESCE(sent.whatsapp, shop.whatsapp)
    WHEN NOT MATCHED THEN INSERT VALUES (sent.id, sent.phone, sent.whatsapp);
SELECT * FROM shop ORDER BY id;

--
-- Triggers
--
-- Other BEFORE triggers hand their rows on, in the order of their names.
CREATE FUNCTION set_phone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.phone := TG_ARGV[0];
    RETURN NEW;
END
$$;
CREATE TABLE chained (id int, phone text, whatsapp text);
CREATE TRIGGER a BEFORE INSERT ON chained FOR EACH ROW EXECUTE FUNCTION set_phone('0700');
CALL attend('chained');
CREATE TRIGGER z BEFORE INSERT ON chained FOR EACH ROW EXECUTE FUNCTION set_phone('0701');
INSERT INTO chained VALUES (1) RETURNING *;

-- A trigger made for another time, level or event does nothing, says so once, and the statement goes on.
CREATE TABLE wrong (id int, phone text, whatsapp text);
CREATE TRIGGER after_row AFTER INSERT ON wrong FOR EACH ROW EXECUTE FUNCTION contact_sync.sync_contact_numbers();
CREATE TRIGGER after_stmt AFTER INSERT ON wrong FOR EACH STATEMENT EXECUTE FUNCTION contact_sync.sync_contact_numbers();
CREATE TRIGGER before_stmt BEFORE INSERT ON wrong FOR EACH STATEMENT EXECUTE FUNCTION contact_sync.sync_contact_numbers();
CREATE TRIGGER before_delete BEFORE DELETE ON wrong FOR EACH ROW EXECUTE FUNCTION contact_sync.sync_contact_numbers();
CREATE TRIGGER before_truncate BEFORE TRUNCATE ON wrong EXECUTE FUNCTION contact_sync.sync_contact_numbers();
\set VERBOSITY default
INSERT INTO wrong VALUES (1, '0700', NULL), (2, '0700', '');
\set VERBOSITY sqlstate
DELETE FROM wrong WHERE id = 1;
\set VERBOSITY terse
TRUNCATE wrong;
INSERT INTO wrong VALUES (3, '0700', NULL), (4, '0700', NULL);
DELETE FROM wrong WHERE id = 3;
SELECT * FROM wrong;
CREATE VIEW shown AS SELECT id, phone, whatsapp FROM wrong;
CREATE TRIGGER instead INSTEAD OF UPDATE ON shown FOR EACH ROW EXECUTE FUNCTION contact_sync.sync_contact_numbers();
UPDATE shown SET phone = NULL;
:caught

-- Only a call outside a trigger raises.
SELECT contact_sync.sync_contact_numbers();
\set VERBOSITY sqlstate
SELECT contact_sync.sync_contact_numbers();

-- clean up
DELETE FROM contact_sync.failures;
SET client_min_messages = warning;
DROP SCHEMA regress_sync CASCADE;
