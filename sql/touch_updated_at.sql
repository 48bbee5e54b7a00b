--
-- touch_updated_at: a BEFORE UPDATE trigger function for the contact tables; it sets updated_at to the time of the
-- transaction, and a row is never lost by it.
--
\pset format unaligned
\pset footer off
\pset null (null)
\set VERBOSITY terse
\set SHOW_CONTEXT never

CREATE SCHEMA regress_touch;
SET search_path = regress_touch;
CREATE TABLE rows (id int PRIMARY KEY, note text, updated_at timestamptz DEFAULT '2024-01-01');
CREATE TRIGGER touch BEFORE UPDATE ON rows FOR EACH ROW EXECUTE FUNCTION contact_sync.touch_updated_at();

-- Any UPDATE sets it, to now(), on its rows alone.
INSERT INTO rows VALUES (1, 'a'), (2, 'b'), (3, 'c');
INSERT INTO rows VALUES (4, 'd', NULL);
BEGIN;
UPDATE rows SET note = upper(note) WHERE id IN (1, 4);
SELECT id, note, updated_at = now() AS now FROM rows ORDER BY id;
COMMIT;
-- Whatever the statement sets it to.
UPDATE rows SET updated_at = '2023-01-01' WHERE id = 2 RETURNING updated_at = now() AS now;
UPDATE rows SET updated_at = NULL WHERE id = 2 RETURNING updated_at = now() AS now;
-- A trap named now() in search_path is not called.
CREATE FUNCTION now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT '2000-01-01'::timestamptz $$;
SET search_path = regress_touch, pg_catalog;
UPDATE rows SET note = 'C' WHERE id = 3 RETURNING updated_at = pg_catalog.now() AS now;
SET search_path = regress_touch;
DROP FUNCTION regress_touch.now();
-- INSERT ... ON CONFLICT DO UPDATE is an UPDATE.
INSERT INTO rows VALUES (1, 'e', '2023-01-01') ON CONFLICT (id) DO UPDATE SET note = excluded.note
    RETURNING note, updated_at = now() AS now;
-- contact_sync.enabled off: the row as it came.
SET contact_sync.enabled = off;
UPDATE rows SET updated_at = '2023-01-01' WHERE id = 2 RETURNING updated_at::date;
RESET contact_sync.enabled;

-- Another column, by argument; timestamp without time zone, a domain, a precision of its own; dropped columns before it.
CREATE DOMAIN moment AS timestamp(0);
CREATE TABLE others (gone int, id int, updated_at timestamptz, "Touched" timestamp, at_second moment);
ALTER TABLE others DROP gone;
INSERT INTO others VALUES (1);
CREATE TRIGGER touch BEFORE UPDATE ON others FOR EACH ROW EXECUTE FUNCTION contact_sync.touch_updated_at('Touched');
UPDATE others SET id = 2 RETURNING id, updated_at, "Touched" = localtimestamp AS touched;
SET TimeZone = 'Asia/Tokyo';
UPDATE others SET id = 3 RETURNING "Touched" = now() AT TIME ZONE 'Asia/Tokyo' AS in_the_sessions_zone;
RESET TimeZone;
DROP TRIGGER touch ON others;
CREATE TRIGGER touch BEFORE UPDATE ON others FOR EACH ROW EXECUTE FUNCTION contact_sync.touch_updated_at('at_second');
UPDATE others SET id = 4 RETURNING id, at_second = localtimestamp(0) AS touched;
CREATE TABLE to_milliseconds (id int, updated_at timestamptz(3));
CREATE TRIGGER touch BEFORE UPDATE ON to_milliseconds FOR EACH ROW EXECUTE FUNCTION contact_sync.touch_updated_at();
INSERT INTO to_milliseconds VALUES (1);
UPDATE to_milliseconds SET id = 2 RETURNING updated_at = now()::timestamptz(3) AS touched;

-- Without the column, or where it is none for a time: the row is updated, and one WARNING a session says why.
CREATE TABLE without (id int);
CREATE TRIGGER touch BEFORE UPDATE ON without FOR EACH ROW EXECUTE FUNCTION contact_sync.touch_updated_at();
INSERT INTO without VALUES (1), (2);
\set VERBOSITY default
UPDATE without SET id = id + 10;
\set VERBOSITY terse
UPDATE without SET id = id + 10 RETURNING *;
CREATE TABLE as_text (id int, updated_at text);
CREATE TRIGGER touch BEFORE UPDATE ON as_text FOR EACH ROW EXECUTE FUNCTION contact_sync.touch_updated_at();
INSERT INTO as_text VALUES (1, 'never');
UPDATE as_text SET id = 2 RETURNING *;
-- A domain that does not let the time pass.
CREATE DOMAIN long_ago AS timestamptz CHECK (VALUE < '2001-01-01');
CREATE TABLE of_old (id int, updated_at long_ago);
CREATE TRIGGER touch BEFORE UPDATE ON of_old FOR EACH ROW EXECUTE FUNCTION contact_sync.touch_updated_at();
INSERT INTO of_old VALUES (1, '2000-01-01');
SET client_min_messages = error;
UPDATE of_old SET id = 2 RETURNING id, updated_at < '2001-01-01' AS in_the_domain;
RESET client_min_messages;

-- A trigger made for another time, level or event does nothing, says so once, and the statement goes on.
CREATE TABLE wrong (id int, updated_at timestamptz);
CREATE TRIGGER after_row AFTER UPDATE ON wrong FOR EACH ROW EXECUTE FUNCTION contact_sync.touch_updated_at();
CREATE TRIGGER before_insert BEFORE INSERT ON wrong FOR EACH ROW EXECUTE FUNCTION contact_sync.touch_updated_at();
CREATE TRIGGER before_delete BEFORE DELETE ON wrong FOR EACH ROW EXECUTE FUNCTION contact_sync.touch_updated_at();
CREATE TRIGGER before_stmt BEFORE UPDATE ON wrong FOR EACH STATEMENT EXECUTE FUNCTION contact_sync.touch_updated_at();
INSERT INTO wrong VALUES (1), (2);
UPDATE wrong SET id = id + 10;
DELETE FROM wrong WHERE id = 11;
SELECT * FROM wrong;
-- Only a call outside a trigger raises.
\set VERBOSITY sqlstate
SELECT contact_sync.touch_updated_at();
-- None of this is a failure to be mended.
SELECT count(*) FROM contact_sync.failures;

-- clean up
SET client_min_messages = warning;
DROP SCHEMA regress_touch CASCADE;
