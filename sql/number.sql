--
-- number(text): a number as contact sync stores it, without white space at both ends, null where nothing is left. In a
-- database in UTF-8, as this one is, that is Unicode's white space and its format characters; 042_number.pl has them all,
-- and other encodings.
--
\pset format unaligned
\pset footer off
\set SHOW_CONTEXT never

-- White space is what C calls so: tab, newline, vertical tab, form feed, carriage return, space.
SELECT code, contact_sync.number(chr(code) || '0700' || chr(code)) = '0700' AS trimmed
FROM generate_series(1, 127) AS code
WHERE contact_sync.number(chr(code) || '0700' || chr(code)) IS DISTINCT FROM chr(code) || '0700' || chr(code);

-- Any run of it, at the beginning and at the end.
SELECT format('[%s]', contact_sync.number(E' \t\n\r' || chr(11) || E'\f0700' || chr(11) || E'\f\r\n\t '));
SELECT format('[%s]', contact_sync.number('   0700'));
SELECT format('[%s]', contact_sync.number('0700   '));
SELECT format('[%s]', contact_sync.number('7'));

-- What is inside stays: it is the app's number, not ours to format.
SELECT format('[%s]', contact_sync.number(E' +255 (700)\t001-002 '));

-- No number, an empty one and a blank one are the same: null.
SELECT contact_sync.number(NULL) IS NULL AS none, contact_sync.number('') IS NULL AS empty,
       contact_sync.number('   ') IS NULL AS blank, contact_sync.number(E'\t\r\n\f' || chr(11)) IS NULL AS tabs;

-- A value of another type is first the text that it is in SQL: char(n) has no blanks at its end.
SELECT format('[%s]', contact_sync.number('0700 '::char(20))), format('[%s]', contact_sync.number(' 07 '::varchar(9)));

-- Multibyte characters stay whole, though their bytes are white space in one locale or another (A0 and 85 in Latin-1).
SELECT encode(convert_to(text, getdatabaseencoding()), 'hex') AS bytes,
       contact_sync.number(' ' || text || ' ') = text AS whole
FROM (VALUES ('０７００'), ('à'), ('Å'), ('٠')) AS t(text);
-- What spreadsheets and telephones paste goes, at both ends, in any mixture: no-break spaces, wide ones, byte order marks,
-- zero-width and direction marks.
SELECT to_hex(code) AS code, contact_sync.number(chr(code) || '0700' || chr(code)) AS number,
       contact_sync.number(chr(code)) IS NULL AS nothing
FROM unnest('{133,160,173,5760,6158,8192,8203,8206,8234,8236,8239,8287,8288,8297,12288,65279,917505}'::int[]) AS code;
SELECT encode(convert_to(contact_sync.number(E' \u202A\t\u00A0+255 700\u202C\u200B \n'), 'UTF8'), 'escape') AS number;
SELECT contact_sync.number(E'\u00A0 \u200B\t\uFEFF') IS NULL AS nothing;
-- Inside, and beside what is no space, it stays, as any space does.
SELECT contact_sync.number(E'07\u00A000') = E'07\u00A000' AS inside,
       contact_sync.number(E'\u00A0-\u200B7\u200B-\u00A0') = E'-\u200B7\u200B-' AS between;
-- Characters that are neither: a combining accent, a hyphen, a variation selector, a filler, the replacement character.
SELECT to_hex(code) AS code FROM unnest('{769,8208,8722,65024,12644,65533}'::int[]) AS code
WHERE contact_sync.number(chr(code) || '7' || chr(code)) <> chr(code) || '7' || chr(code);

-- Long values, compressed and out of line, are no matter.
CREATE SCHEMA regress_number;
SET search_path = regress_number;
CREATE TABLE long_values (compressed text, external text);
ALTER TABLE long_values ALTER external SET STORAGE EXTERNAL;
INSERT INTO long_values VALUES (repeat(' ', 1000000) || '0700', repeat('7', 10000) || repeat(' ', 10000));
SELECT contact_sync.number(compressed), length(contact_sync.number(external)) FROM long_values;

-- btrim() is another definition: it leaves tabs and newlines, so it is not to be used in the place of number().
SELECT btrim(E' \t0700\n ') = '0700' AS by_btrim, contact_sync.number(E' \t0700\n ') = '0700' AS by_number;

-- Immutable, so that an index may be built on it; strict; parallel safe; and everybody may call it.
SELECT provolatile, proisstrict, proparallel, has_function_privilege('public', oid, 'EXECUTE') AS public
FROM pg_proc WHERE oid = 'contact_sync.number(text)'::regprocedure;
CREATE TABLE numbers (phone text);
CREATE UNIQUE INDEX ON numbers (contact_sync.number(phone));
INSERT INTO numbers VALUES ('0700'), (' '), ('');
INSERT INTO numbers VALUES (E'\t0700');
SELECT count(*) FROM numbers WHERE contact_sync.number(phone) = '0700';

-- The triggers have the same numbers.
CREATE TABLE customers (id int PRIMARY KEY, phone text, whatsapp varchar(20));
CREATE TABLE contact_methods (customer_id int, method_type text, phone_number text, UNIQUE (customer_id, method_type));
CREATE TRIGGER trigger_sync BEFORE INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.sync_contact_numbers();
CREATE TRIGGER trigger_methods AFTER INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();
INSERT INTO customers VALUES (1, E'\u00A00701\u200B', E'\u00A0'), (2, E'\u200B\uFEFF', E'\u202A0802\u202C'), (3, E'\u3000', ' ');
SELECT id, phone = whatsapp AS filled FROM customers ORDER BY id;
SELECT customer_id, method_type, phone_number FROM contact_methods ORDER BY 1, 2;
UPDATE customers SET phone = '0701' WHERE id = 1;
UPDATE customers SET phone = E'\u00A0', whatsapp = E'\u200B' WHERE id = 2;
SELECT customer_id, method_type, phone_number FROM contact_methods ORDER BY 1, 2;

-- clean up
SET client_min_messages = warning;
DROP SCHEMA regress_number CASCADE;
