--
-- Row security of the contact tables: who sees a customer sees its contact rows, who may update a customer may write
-- them.
--
\pset format unaligned
\pset footer off
\set SHOW_CONTEXT never
SET client_min_messages = warning;

CREATE ROLE regress_contact_ann;
CREATE ROLE regress_contact_bob;
CREATE ROLE regress_contact_boss;
CREATE SCHEMA regress_policies;
GRANT USAGE ON SCHEMA regress_policies TO PUBLIC;
SET search_path = regress_policies;

-- What a table's policies are, in the words of the catalog.
CREATE FUNCTION policies(of regclass, OUT policy name, OUT says text) RETURNS SETOF record
LANGUAGE sql SET search_path = pg_catalog AS $$
    SELECT polname, concat_ws(' ', CASE WHEN NOT polpermissive THEN 'RESTRICTIVE' END,
                              CASE polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
                                          WHEN 'd' THEN 'DELETE' ELSE 'ALL' END, 'TO',
                              (SELECT string_agg(CASE WHEN r = 0 THEN 'PUBLIC' ELSE r::regrole::text END, ', '
                                                 ORDER BY r::regrole::text)
                               FROM unnest(polroles) AS r),
                              'USING ' || regexp_replace(pg_get_expr(polqual, polrelid), '\s+', ' ', 'g'),
                              'CHECK ' || regexp_replace(pg_get_expr(polwithcheck, polrelid), '\s+', ' ', 'g'))
    FROM pg_policy WHERE polrelid = of ORDER BY polname COLLATE "C"
$$;

-- Customers of two sellers. The columns that policies use have namesakes in contact_methods.
CREATE TABLE customers (
    id bigint PRIMARY KEY,
    phone text,
    whatsapp text,
    seller name,
    is_preferred boolean DEFAULT false
);
INSERT INTO customers (id, seller)
    VALUES (1, 'regress_contact_ann'), (2, 'regress_contact_bob'), (3, 'regress_contact_bob');
CREATE TABLE teams (seller name, leader name);
INSERT INTO teams VALUES ('regress_contact_bob', 'regress_contact_boss');
ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON customers USING (seller = current_user);
CREATE POLICY team ON customers FOR SELECT TO regress_contact_boss
    USING (EXISTS (SELECT FROM teams WHERE teams.seller = customers.seller AND leader = current_user));
GRANT SELECT, UPDATE ON customers TO regress_contact_ann, regress_contact_bob WITH GRANT OPTION;
GRANT SELECT ON customers, teams TO regress_contact_boss;
GRANT TRIGGER, REFERENCES, TRUNCATE, INSERT ON customers TO regress_contact_ann;

-- What is wrong with it
CREATE FUNCTION wrong(OUT status text, OUT check_name text, OUT object text, OUT problem text) RETURNS SETOF record
LANGUAGE sql AS $$
    SELECT v.status, v.check_name,
           replace(v.object, 'regress_policies.', ''), replace(v.problem, 'regress_policies.', '')
    FROM contact_sync.verify('regress_policies.customers')
         WITH ORDINALITY AS v(check_name, object, status, problem, fix, place)
    WHERE v.status IN ('blocked', 'fix') ORDER BY v.place
$$;

-- Tables that attach creates get the grants of customers, and no others, whatever the default privileges.
ALTER DEFAULT PRIVILEGES IN SCHEMA regress_policies GRANT ALL ON TABLES TO PUBLIC, regress_contact_boss;
SELECT fix FROM contact_sync.attach('customers')
    WHERE check_name = 'grants' OR object = 'regress_policies.contact_history';
SELECT relname, grantee::regrole, string_agg(privilege_type, ', ' ORDER BY privilege_type) AS privileges,
       bool_or(is_grantable) AS grantable
FROM pg_class, aclexplode(relacl)
WHERE relnamespace = 'regress_policies'::regnamespace AND relname LIKE 'contact%' AND grantee <> relowner
GROUP BY 1, 2 ORDER BY 1, 2::regrole::text;
GRANT SELECT, INSERT, UPDATE, DELETE ON contact_methods TO regress_contact_ann, regress_contact_bob;

SELECT * FROM wrong();
SELECT * FROM policies('contact_methods');
SELECT * FROM policies('contact_history')
    EXCEPT SELECT policy, replace(says, 'contact_methods', 'contact_history') FROM policies('contact_methods');

-- is_preferred is false with every customer and true with every method: taken for the method's own, the condition would
-- let everything through.
ALTER POLICY own ON customers USING (seller = current_user AND NOT is_preferred);
SELECT * FROM wrong();
SELECT count(*) FROM contact_sync.attach('customers');
SELECT * FROM wrong();
INSERT INTO contact_methods (customer_id, method_type, phone_number, is_preferred)
    SELECT id, 'sms', id, true FROM customers;
INSERT INTO contact_history (customer_id, method, type, status)
    VALUES (1, 'sms', 'message', 'sent'), (NULL, 'sms', 'message', 'sent');

--
-- Reading
--
SET ROLE regress_contact_ann;
SELECT customer_id FROM contact_methods ORDER BY 1;
SELECT customer_id FROM contact_history ORDER BY 1;     -- nobody's call is the owner's affair
SET ROLE regress_contact_bob;
SELECT customer_id FROM contact_methods ORDER BY 1;
SET ROLE regress_contact_boss;
SELECT customer_id FROM contact_methods ORDER BY 1;

--
-- Writing
--
SET ROLE regress_contact_ann;
UPDATE contact_methods SET phone_number = 'new' RETURNING customer_id;
INSERT INTO contact_methods (customer_id, method_type, phone_number) VALUES (1, 'whatsapp', '1') RETURNING customer_id;
INSERT INTO contact_methods (customer_id, method_type, phone_number) VALUES (2, 'whatsapp', '1');
UPDATE contact_methods SET customer_id = 2;             -- not into another's hands
DELETE FROM contact_methods RETURNING customer_id;      -- the sync needs none
RESET ROLE;
GRANT UPDATE ON contact_methods TO regress_contact_boss;
SET ROLE regress_contact_boss;                          -- who may see, but not update
UPDATE contact_methods SET phone_number = 'boss' RETURNING customer_id;
RESET ROLE;

--
-- Changes of customers' policies show
--
-- another condition
BEGIN;
ALTER POLICY own ON customers USING (seller = current_user OR seller IS NULL);
SELECT * FROM wrong();
SELECT count(*) FROM contact_sync.attach('customers');
SELECT * FROM wrong();
SELECT * FROM policies('contact_methods');
ROLLBACK;
-- other roles
BEGIN;
ALTER POLICY own ON customers TO regress_contact_bob, regress_contact_ann;
SELECT object FROM wrong();
SELECT count(*) FROM contact_sync.attach('customers');
SELECT * FROM wrong();
SELECT * FROM policies('contact_preferences');
ROLLBACK;
-- one more, restrictive, whose sub-select names the customers table
BEGIN;
CREATE POLICY leaders ON customers AS RESTRICTIVE FOR UPDATE TO regress_contact_bob
    USING (EXISTS (SELECT FROM teams WHERE teams.seller = customers.seller AND customers.id > 2));
SELECT object FROM wrong();
SELECT count(*) FROM contact_sync.attach('customers');
SELECT * FROM wrong();
SELECT * FROM policies('contact_methods') WHERE policy LIKE '%leaders';
GRANT SELECT ON teams TO regress_contact_bob;
SET LOCAL ROLE regress_contact_bob;
UPDATE contact_methods SET phone_number = 'bob' RETURNING customer_id;
ROLLBACK;
-- one gone
BEGIN;
DROP POLICY own ON customers;
SELECT * FROM wrong();
SELECT count(*) FROM contact_sync.attach('customers');
SELECT * FROM wrong();
SELECT * FROM policies('contact_methods');
ROLLBACK;
-- none of customers' matter where its row security is off
BEGIN;
ALTER TABLE customers DISABLE ROW LEVEL SECURITY;
SELECT object FROM wrong() WHERE object LIKE '%contact_methods';
SELECT count(*) FROM contact_sync.attach('customers');
SELECT * FROM wrong();
SELECT * FROM policies('contact_methods');
ROLLBACK;
-- a policy without a condition admits nobody; a restrictive one without forbids nothing
BEGIN;
CREATE POLICY nobody ON customers FOR UPDATE WITH CHECK (true);
CREATE POLICY anybody ON customers AS RESTRICTIVE FOR UPDATE WITH CHECK (true);
CREATE POLICY inserters ON customers FOR INSERT WITH CHECK (true);
CREATE POLICY deleters ON customers FOR DELETE USING (true);
SELECT * FROM wrong();
ROLLBACK;

-- A dump deparses a condition, and a restore may deparse that in other words: it is no change.
BEGIN;
ALTER TABLE customers ADD COLUMN status varchar(20);
ALTER POLICY own ON customers USING (status IN ('new', 'it''s', '') AND seller = current_user);
SELECT count(*) FROM contact_sync.attach('customers');
SELECT pg_get_expr(polqual, polrelid) AS dumped FROM pg_policy
    WHERE polname = 'own' AND polrelid = 'customers'::regclass \gset
ALTER POLICY own ON customers USING (:dumped);
SELECT :'dumped' <> pg_get_expr(polqual, polrelid) AS in_other_words FROM pg_policy
    WHERE polname = 'own' AND polrelid = 'customers'::regclass;
SELECT * FROM wrong();
ALTER POLICY own ON customers USING (status IN ('new', 'it''s', 'old') AND seller = current_user);
SELECT count(*) FROM wrong();
ROLLBACK;

-- Changes of our policies by hand show as well
BEGIN;
ALTER POLICY contact_sync_select ON contact_methods USING (true);
ALTER POLICY contact_sync_insert_own ON contact_methods TO regress_contact_ann;
DROP POLICY contact_sync_update_own ON contact_methods;
CREATE POLICY contact_sync_update_own ON contact_methods FOR UPDATE USING (true);
ALTER TABLE contact_history DISABLE ROW LEVEL SECURITY;
SELECT * FROM wrong();
SELECT count(*) FROM contact_sync.attach('customers');
SELECT * FROM wrong();
ROLLBACK;

-- Names longer than a name can be, alike in all that a name can hold; quotes in them
BEGIN;
CREATE POLICY "a customer may be updated by whoever sold to it within the year 1" ON customers
    FOR UPDATE USING (id = 1);
CREATE POLICY "a customer may be updated by whoever sold to it within the y 1" ON customers FOR UPDATE USING (id = 1);
CREATE POLICY "a customer may be updated by whoever sold to it within the y 2" ON customers FOR UPDATE USING (id = 2);
CREATE POLICY "it's ""own""" ON customers FOR UPDATE USING (seller = 'it''s %s');
SELECT count(*) FROM contact_sync.attach('customers');
SELECT * FROM wrong();
SELECT * FROM policies('contact_methods') WHERE says LIKE 'UPDATE%';
ROLLBACK;

--
-- Policies that are there
--
-- The legacy ones go, by what they say; others stay; those that open all to some are told of.
BEGIN;
CREATE POLICY "Enable read access for all users" ON contact_methods FOR SELECT USING (true);
CREATE POLICY whatever ON contact_methods FOR INSERT WITH CHECK (true);
CREATE POLICY everything ON contact_history USING (true);
CREATE POLICY workaround ON contact_methods FOR DELETE USING (true);
CREATE POLICY keep_restrictive ON contact_methods AS RESTRICTIVE USING (true);
CREATE POLICY keep_condition ON contact_methods FOR SELECT USING (is_preferred);
CREATE POLICY keep_role ON contact_methods FOR SELECT TO regress_contact_boss USING (true);
CREATE POLICY contact_sync_mine ON contact_methods FOR SELECT USING (phone_number = current_user);
SELECT * FROM wrong();
SELECT object, problem, fix FROM contact_sync.verify('customers') WHERE check_name = 'open_policy';
SELECT fix FROM contact_sync.attach('customers');
SELECT * FROM wrong();
SELECT policy FROM policies('contact_methods');
ROLLBACK;

-- rls => 'keep' changes no policy and no row security; a table that it creates has row security all the same.
BEGIN;
CREATE POLICY "Enable read access for all users" ON contact_methods FOR SELECT USING (true);
DROP POLICY contact_sync_select ON contact_methods;
ALTER TABLE contact_methods DISABLE ROW LEVEL SECURITY;
DROP TABLE contact_history;
SELECT check_name, fix FROM contact_sync.attach('customers', rls => 'keep')
    WHERE check_name NOT IN ('contact_table', 'grants');
SELECT count(*) FROM contact_sync.attach('customers', rls => 'keep');
ROLLBACK;

-- A policy of customers that reads a contact table would never end.
BEGIN;
CREATE POLICY reachable ON customers FOR SELECT
    USING (EXISTS (SELECT FROM contact_methods WHERE customer_id = customers.id));
SELECT * FROM wrong();
SELECT status, count(*) FROM contact_sync.verify('customers', rls => 'keep') WHERE status <> 'ok' GROUP BY status;
SELECT * FROM contact_sync.attach('customers');
ROLLBACK;

-- Ids whose equality is not pg_catalog's, by an operator that search_path does not find
BEGIN;
CREATE SCHEMA regress_policies_type;
CREATE EXTENSION citext SCHEMA regress_policies_type;
CREATE SCHEMA regress_policies_2;
CREATE TABLE regress_policies_2.customers (id regress_policies_type.citext PRIMARY KEY, phone text, whatsapp text);
SELECT count(*) FROM contact_sync.attach('regress_policies_2.customers');
SELECT * FROM policies('regress_policies_2.contact_methods') WHERE policy = 'contact_sync_select';
SELECT count(*) FROM contact_sync.attach('regress_policies_2.customers');
ROLLBACK;

-- clean up
RESET search_path;
DROP SCHEMA regress_policies CASCADE;
DROP ROLE regress_contact_ann, regress_contact_bob, regress_contact_boss;
