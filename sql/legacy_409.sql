--
-- The trouble this extension is for: on the legacy schema every UPDATE of a customer by an app role fails with
-- SQLSTATE 23505, which PostgREST answers as HTTP 409.  After attach it succeeds, and the contact methods are right.
--
\getenv abs_srcdir PG_ABS_SRCDIR
\set legacy :abs_srcdir '/test/fixtures/legacy.sql'
\set legacy_data :abs_srcdir '/test/fixtures/legacy_data.sql'
\pset format unaligned
\pset footer off
\pset null '(null)'
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';

CREATE ROLE regress_authenticated;
CREATE ROLE regress_authenticator NOINHERIT;
GRANT regress_authenticated TO regress_authenticator;
CREATE SCHEMA regress_409;
GRANT USAGE ON SCHEMA regress_409 TO regress_authenticated;
-- As on Supabase: the app has every right on every table, and row-level security is what restrains it.
ALTER DEFAULT PRIVILEGES IN SCHEMA regress_409 GRANT ALL ON TABLES TO regress_authenticated;
SET search_path = regress_409;
\set ECHO none
\i :legacy
\i :legacy_data
\set ECHO all
\set customer 00000000-0000-4000-8000-000000000001

-- What PostgREST sends for PATCH /customers?id=eq.1: one transaction, the role set in it, an UPDATE in a CTE.
PREPARE patch_name(text) AS
    WITH pgrst_source AS (UPDATE regress_409.customers SET name = $1
                          WHERE id = '00000000-0000-4000-8000-000000000001' RETURNING *)
    SELECT count(*) AS page_total, json_agg(json_build_object('name', name, 'phone', phone)) AS body
    FROM pgrst_source;
PREPARE patch_phone(text) AS
    WITH pgrst_source AS (UPDATE regress_409.customers SET phone = $1
                          WHERE id = '00000000-0000-4000-8000-000000000001' RETURNING *)
    SELECT count(*) AS page_total, json_agg(json_build_object('name', name, 'phone', phone)) AS body
    FROM pgrst_source;

--
-- Before
--
-- An UPDATE of the name alone fails, and so does one of the phone.
\set VERBOSITY sqlstate
SET SESSION AUTHORIZATION regress_authenticator;
BEGIN;
SELECT set_config('role', 'regress_authenticated', true);
EXECUTE patch_name('Asha Mwangi Juma');
ROLLBACK;
BEGIN;
SELECT set_config('role', 'regress_authenticated', true);
EXECUTE patch_phone('+255711111111');
ROLLBACK;
RESET SESSION AUTHORIZATION;
\set VERBOSITY default
SELECT name, phone FROM customers WHERE id = :'customer';

--
-- attach
--
SELECT count(*) > 0 AS something_to_fix, count(*) FILTER (WHERE status = 'blocked') AS blocked
    FROM contact_sync.verify('customers') WHERE status IN ('fix', 'blocked');
CREATE TEMPORARY TABLE before AS
    SELECT *, xmin::text AS version, ctid AS place FROM contact_methods;
CREATE TEMPORARY TABLE preferences_before AS
    SELECT *, xmin::text AS version FROM contact_preferences;
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers');
-- After it verify has neither fix nor blocked, and a second attach does nothing.
SELECT check_name, object, status, problem FROM contact_sync.verify('customers') WHERE status IN ('fix', 'blocked');
SELECT * FROM contact_sync.attach('customers');
-- attach has written no contact row.
SELECT count(*) AS rows, count(m.id) AS as_before
    FROM before b LEFT JOIN contact_methods m ON (m.id, m.xmin::text, m.ctid) = (b.id, b.version, b.place);

--
-- After
--
-- The same UPDATE of the name succeeds, and not one contact row is written for it.
SET SESSION AUTHORIZATION regress_authenticator;
BEGIN;
SELECT set_config('role', 'regress_authenticated', true);
EXECUTE patch_name('Asha Mwangi Juma');
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT name, phone FROM customers WHERE id = :'customer';
SELECT count(*) AS rows, count(m.id) AS as_before
    FROM before b FULL JOIN contact_methods m ON (m.id, m.xmin::text, m.ctid) = (b.id, b.version, b.place);

-- So does that of the phone: sms and phone_call carry the new number.
SET SESSION AUTHORIZATION regress_authenticator;
BEGIN;
SELECT set_config('role', 'regress_authenticated', true);
EXECUTE patch_phone('+255711111111');
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT method_type, phone_number, is_available, is_preferred, verification_status, last_verified
    FROM contact_methods WHERE customer_id = :'customer' ORDER BY method_type;
-- They are the rows they were: id, customer, method and created_at stay.
SELECT m.method_type, m.phone_number <> b.phone_number AS new_number, m.xmin::text <> b.version AS rewritten
    FROM before b JOIN contact_methods m USING (id, customer_id, method_type, created_at)
    WHERE customer_id = :'customer' ORDER BY 1;
-- Methods of untouched numbers were not rewritten, those of other customers included; last_verified stays.
SELECT count(*) AS untouched, count(*) FILTER (WHERE m.xmin::text = b.version AND m.ctid = b.place) AS not_rewritten,
       count(m.last_verified) AS verified
    FROM before b JOIN contact_methods m USING (id)
    WHERE b.customer_id <> :'customer' OR b.method_type = 'whatsapp';
SELECT method_type FROM contact_methods m JOIN before b USING (id, method_type, last_verified);
SELECT count(*) AS preferences, count(p.id) AS not_rewritten
    FROM preferences_before b FULL JOIN contact_preferences p ON (p.id, p.xmin::text) = (b.id, b.version);

-- The legacy trigger of the table itself still does its work.
SELECT method_type FROM contact_methods m JOIN before b USING (id, method_type) WHERE m.updated_at > b.updated_at
    ORDER BY 1;

-- A new customer by the same app role, with one number: both columns, preferences and all methods.
SET ROLE regress_authenticated;
INSERT INTO customers (id, name, phone) VALUES ('00000000-0000-4000-8000-000000000009', 'Rehema', '+255700000009');
RESET ROLE;
SELECT phone, whatsapp, preferred_method, method_type, phone_number, is_preferred
    FROM customers c JOIN contact_preferences p ON p.customer_id = c.id JOIN contact_methods m ON m.customer_id = c.id
    WHERE c.id = '00000000-0000-4000-8000-000000000009' ORDER BY method_type;

-- Nothing failed, and verify is still content.
SELECT count(*) FROM contact_sync.failures WHERE customers_table = 'regress_409.customers';
SELECT count(*) FROM contact_sync.verify('customers') WHERE status IN ('fix', 'blocked');

--
-- DROP EXTENSION ... CASCADE takes triggers and functions, and leaves every contact row where it was.
--
CREATE TEMPORARY TABLE all_rows AS
    SELECT 'contact_methods' AS of, m.id, m.xmin::text AS version, to_jsonb(m) AS contents FROM contact_methods m
    UNION ALL SELECT 'contact_preferences', p.id, p.xmin::text, to_jsonb(p) FROM contact_preferences p
    UNION ALL SELECT 'contact_history', h.id, h.xmin::text, to_jsonb(h) FROM contact_history h;
SELECT of, count(*) FROM all_rows GROUP BY of ORDER BY of;
BEGIN;
DROP EXTENSION contact_sync CASCADE;
SELECT tgname FROM pg_trigger WHERE tgrelid = 'customers'::regclass AND NOT tgisinternal;
SELECT count(*) FROM (
    SELECT * FROM all_rows EXCEPT
    (SELECT 'contact_methods', m.id, m.xmin::text, to_jsonb(m) FROM contact_methods m
     UNION ALL SELECT 'contact_preferences', p.id, p.xmin::text, to_jsonb(p) FROM contact_preferences p
     UNION ALL SELECT 'contact_history', h.id, h.xmin::text, to_jsonb(h) FROM contact_history h)) AS missing;
SELECT count(*) FROM contact_methods;
-- Nobody keeps the numbers in step then, and nothing fails either.
UPDATE customers SET phone = '+255722222222' WHERE id = :'customer';
SELECT phone_number FROM contact_methods WHERE customer_id = :'customer' AND method_type = 'sms';
ROLLBACK;

-- clean up
RESET search_path;
DEALLOCATE ALL;
DROP SCHEMA regress_409 CASCADE;
DROP ROLE regress_authenticator, regress_authenticated;
