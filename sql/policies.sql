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
SELECT customer_id FROM contact_history ORDER BY 1;     -- where customers are not open to all, nobody's call is neither
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

-- Rows of contact_history without a customer, a call from an unknown number, stay open to those who could use them before:
-- because of policies that are open to all, each for its command,
BEGIN;
CREATE POLICY r ON contact_history FOR SELECT USING (true);
CREATE POLICY a ON contact_history FOR INSERT WITH CHECK (true);
GRANT DELETE ON contact_history TO regress_contact_ann;
CREATE POLICY d ON contact_history FOR DELETE USING (true);
SET LOCAL ROLE regress_contact_ann;
INSERT INTO contact_history (method, type, status) VALUES ('phone_call', 'call', 'missed');
RESET ROLE;
SELECT check_name, object FROM contact_sync.attach('customers');
SELECT * FROM policies('contact_history') WHERE says NOT LIKE '%EXISTS%';
SET LOCAL ROLE regress_contact_ann;
INSERT INTO contact_history (method, type, status) VALUES ('phone_call', 'call', 'missed') RETURNING customer_id;
SELECT customer_id, count(*) FROM contact_history GROUP BY 1 ORDER BY 1;
UPDATE contact_history SET content = 'ann' RETURNING customer_id;   -- that nobody could
DELETE FROM contact_history RETURNING customer_id;
SAVEPOINT hers;
INSERT INTO contact_history (customer_id, method, type, status) VALUES (2, 'phone_call', 'call', 'missed');
ROLLBACK TO hers;
RESET ROLE;
-- It stays so when customers' policies change, and when a policy of ours is changed by hand; and whoever drops it means it.
ALTER POLICY own ON customers USING (seller = current_user);
ALTER POLICY contact_sync_without_customer_select ON contact_history USING (true);
SELECT * FROM wrong();
SELECT count(*) FROM contact_sync.attach('customers');
SELECT * FROM wrong();
DROP POLICY contact_sync_without_customer_select ON contact_history;
SELECT * FROM wrong();
ROLLBACK;
-- because row security was off, whatever policies there were;
BEGIN;
ALTER TABLE contact_history DISABLE ROW LEVEL SECURITY;
SELECT count(*) FROM contact_sync.attach('customers');
SET LOCAL ROLE regress_contact_ann;
UPDATE contact_history SET content = 'ann' RETURNING customer_id;
UPDATE contact_history SET customer_id = 1 WHERE customer_id IS NULL RETURNING customer_id;     -- it was hers
RESET ROLE;
-- A dump has the policy, its comment and its condition in other words, if in any.
SELECT format('DROP POLICY %1$I ON contact_history; CREATE POLICY %1$I ON contact_history%2$s; COMMENT ON POLICY %1$I ON contact_history IS %3$L',
              polname, CASE polcmd WHEN 'r' THEN ' FOR SELECT USING ' || pg_get_expr(polqual, polrelid)
                                   WHEN 'w' THEN ' FOR UPDATE USING ' || pg_get_expr(polqual, polrelid)
                                   ELSE ' FOR INSERT WITH CHECK ' || pg_get_expr(polwithcheck, polrelid) END,
              obj_description(oid, 'pg_policy'))
FROM pg_policy WHERE polrelid = 'contact_history'::regclass AND polname LIKE '%without%' ORDER BY polname \gexec
SELECT * FROM wrong();
ROLLBACK;
-- and as open as customers in a table that attach creates: here those who may update them are not everyone.
BEGIN;
DROP TABLE contact_history;
ALTER POLICY own ON customers TO regress_contact_ann;
CREATE POLICY seen ON customers FOR SELECT USING (true);
SELECT count(*) FROM contact_sync.attach('customers');
SELECT policy FROM policies('contact_history');
SELECT * FROM wrong();
DROP TABLE contact_history;
CREATE POLICY but ON customers AS RESTRICTIVE FOR SELECT USING (seller <> 'boss');
SELECT count(*) FROM contact_sync.attach('customers');
SELECT policy FROM policies('contact_history');
ROLLBACK;
-- What restricts who updates some customers forbids nothing for rows without one: not to a policy of the DBA's own, either.
BEGIN;
CREATE POLICY "unknown numbers" ON contact_history USING (customer_id IS NULL AND method = 'sms');
CREATE POLICY leaders ON customers AS RESTRICTIVE FOR UPDATE USING (id > 2);
SELECT count(*) FROM contact_sync.attach('customers');
SELECT * FROM wrong();
SELECT says FROM policies('contact_history') WHERE policy = 'contact_sync_insert_leaders';
SET LOCAL ROLE regress_contact_ann;
INSERT INTO contact_history (method, type, status) VALUES ('sms', 'message', 'sent') RETURNING customer_id;
UPDATE contact_history SET content = 'ann' RETURNING customer_id;
ROLLBACK;

-- Roles that may use a contact table, but whose columns of customers are not all that its policies read
BEGIN;
CREATE ROLE regress_contact_staff;
CREATE ROLE regress_contact_seller;
CREATE ROLE regress_contact_carl IN ROLE regress_contact_staff, regress_contact_seller;
ALTER TABLE customers ADD COLUMN region text, ADD COLUMN "the team" text;
CREATE TABLE regions (region text, manager name, note text);
REVOKE ALL ON regions FROM PUBLIC;
DROP POLICY own ON customers;
CREATE POLICY everyone ON customers FOR SELECT USING (true);
CREATE POLICY own ON customers FOR UPDATE TO regress_contact_seller
    USING (seller = current_user AND "the team" IS NULL) WITH CHECK (whatsapp IS NOT NULL);
CREATE POLICY region ON customers FOR UPDATE TO regress_contact_bob
    USING (EXISTS (SELECT FROM regions r WHERE r.region = customers.region AND r.manager = current_user));
REVOKE ALL ON customers, contact_preferences, contact_methods, contact_history
    FROM regress_contact_ann, regress_contact_bob, regress_contact_boss;
GRANT SELECT (id, phone), UPDATE ON customers TO regress_contact_staff;
GRANT SELECT, UPDATE ON contact_methods TO regress_contact_staff;               -- carl updates them: he is a seller too
GRANT SELECT (id), UPDATE (content) ON contact_history TO regress_contact_bob;  -- who cannot read customers at all
GRANT SELECT (customer_id) ON contact_preferences TO regress_contact_boss;
GRANT SELECT (id) ON customers TO regress_contact_boss;
CREATE FUNCTION readers(OUT object text, OUT problem text, OUT fix text) RETURNS SETOF record LANGUAGE sql AS $$
    SELECT v.object, v.problem, v.fix FROM contact_sync.verify('regress_policies.customers') v
    WHERE v.check_name = 'reader' AND v.status <> 'ok'
$$;
SELECT * FROM readers();
SELECT count(*) FROM contact_sync.attach('customers');
-- what it says is so, and what it says to do helps
CREATE FUNCTION denied(who name, statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SET LOCAL ROLE %I', who);
    EXECUTE statement;
    RESET ROLE;
    RETURN NULL;
EXCEPTION WHEN insufficient_privilege THEN
    RETURN SQLERRM;
END
$$;
CREATE VIEW denials AS
    SELECT who, denied(who, statement)
    FROM (VALUES ('regress_contact_carl', 'UPDATE regress_policies.contact_methods SET is_preferred = is_preferred'),
                 ('regress_contact_staff', 'SELECT FROM regress_policies.contact_methods'),
                 ('regress_contact_bob', 'UPDATE regress_policies.contact_history SET content = NULL'),
                 ('regress_contact_boss', 'SELECT customer_id FROM regress_policies.contact_preferences')) AS s(who, statement);
SELECT * FROM denials;
SELECT fix FROM readers() \gexec
SELECT * FROM denials;
SELECT * FROM readers();
-- A condition that takes the whole row needs every column; one that customers apply to whoever reads them, other tables'.
CREATE FUNCTION fine(customers) RETURNS boolean LANGUAGE sql AS 'SELECT true';
ALTER POLICY own ON customers USING (fine(customers));
ALTER POLICY everyone ON customers USING (region IS NULL OR EXISTS (SELECT FROM regions WHERE note IS NULL));
SELECT * FROM readers();
SELECT count(*) FROM contact_sync.verify('customers', rls => 'keep') WHERE check_name = 'reader' AND status <> 'ok';
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
