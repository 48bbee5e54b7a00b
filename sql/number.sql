--
-- number(text): a number as contact sync stores it, without white space at both ends, null where nothing is left.
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

-- Multibyte characters stay whole, though their bytes are white space in one locale or another (A0 and 85 in Latin-1);
-- wide spaces are not white space here.
SELECT encode(convert_to(text, getdatabaseencoding()), 'hex') AS bytes,
       contact_sync.number(' ' || text || ' ') = text AS whole
FROM (VALUES ('０７００'), ('à'), ('Å'), ('٠'), (E'\xC2\xA00700\xC2\xA0'), (E'\xC2\x850700'), (E'\xE3\x80\x800700'))
     AS t(text);

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

-- clean up
SET client_min_messages = warning;
DROP SCHEMA regress_number CASCADE;
