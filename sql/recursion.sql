--
-- Policies that lead to a contact table and back: verify says so before attach, and says nothing where nothing recurses.
-- Each case is tried: the statements that worked before and fail after attach are listed beside what verify says.
--
\pset format unaligned
\pset footer off
\set SHOW_CONTEXT never
SET client_min_messages = warning;

CREATE ROLE regress_contact_app;
CREATE ROLE regress_contact_clerk IN ROLE regress_contact_app;
CREATE ROLE regress_contact_other;
CREATE ROLE regress_contact_owner;
CREATE SCHEMA regress_recursion;
GRANT USAGE, CREATE ON SCHEMA regress_recursion TO PUBLIC;
SET search_path = regress_recursion;

-- What there is before contact_sync: contact tables open to all, customers by policies of each case.
CREATE TABLE customers (id integer PRIMARY KEY, phone text, whatsapp text, branch text);
INSERT INTO customers VALUES (1, '0711', NULL, 'north');
CREATE TABLE technicians (id integer, branch text);
INSERT INTO technicians VALUES (1, 'north');
CREATE TABLE shifts (technician integer);
SELECT count(*) FROM contact_sync.attach('customers');
SELECT count(*) FROM contact_sync.detach('customers');
INSERT INTO contact_history (customer_id, method, type, status) VALUES (1, 'sms', 'message', 'sent');
DO $$
DECLARE
    policy record;
BEGIN
    FOR policy IN SELECT polname, polrelid::regclass AS relation FROM pg_policy
                  WHERE polrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'regress_recursion'::regnamespace) LOOP
        EXECUTE format('DROP POLICY %I ON %s', policy.polname, policy.relation);
    END LOOP;
END
$$;
CREATE POLICY everything ON contact_preferences USING (true);
CREATE POLICY everything ON contact_methods USING (true);
CREATE POLICY everything ON contact_history USING (true);
ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
ALTER TABLE technicians ENABLE ROW LEVEL SECURITY;
GRANT ALL ON ALL TABLES IN SCHEMA regress_recursion TO regress_contact_app, regress_contact_other;

-- A statement of a role that never stays: the SQLSTATE of what it raised.
CREATE FUNCTION outcome(who name, statement text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL max_stack_depth = '500kB';        -- what never ends ends sooner
    EXECUTE format('SET LOCAL ROLE %I', who);
    EXECUTE statement;
    RAISE EXCEPTION 'done' USING ERRCODE = 'ZZZZZ';
EXCEPTION WHEN OTHERS OR QUERY_CANCELED THEN
    RETURN nullif(SQLSTATE, 'ZZZZZ');
END
$$;

-- In the state that a script makes: what verify says of recursion, and what breaks where each fix is run all the same.
CREATE FUNCTION tried(script text, OUT verdict text, OUT broken text)
LANGUAGE plpgsql AS $$
DECLARE
    worked text[];
    step text;
BEGIN
    EXECUTE script;
    CREATE TEMPORARY TABLE attempt ON COMMIT DROP AS
        SELECT who, statement, outcome(who, statement) AS before
        FROM unnest('{regress_contact_app, regress_contact_clerk}'::name[]) AS who,
             unnest('{SELECT FROM customers, UPDATE customers SET branch = branch, DELETE FROM customers,
                      "INSERT INTO customers (id) VALUES (2)",
                      SELECT FROM technicians, UPDATE technicians SET branch = branch,
                      SELECT FROM contact_history, UPDATE contact_history SET content = content,
                      SELECT FROM contact_methods}'::text[]) WITH ORDINALITY AS s(statement, place);
    CREATE TEMPORARY TABLE verified ON COMMIT DROP AS
        SELECT * FROM contact_sync.verify('customers') WITH ORDINALITY AS v(check_name, object, status, problem, fix, place);
    SELECT string_agg(concat_ws(': ', v.status, replace(v.object, 'regress_recursion.', ''),
                                replace(v.problem, 'regress_recursion.', '')), E'\n' ORDER BY v.place)
    INTO verdict
    FROM verified v
    WHERE v.check_name = 'recursive_policy' AND v.status <> 'ok' OR v.status = 'blocked';
    FOR step IN SELECT fix FROM verified WHERE status = 'fix' ORDER BY place LOOP
        EXECUTE step;
    END LOOP;
    SELECT string_agg(format('%s %s: %s', replace(who, 'regress_contact_', ''), statement, now_raises), E'\n')
    INTO broken
    FROM attempt CROSS JOIN LATERAL outcome(who, statement) AS now_raises
    WHERE before IS NULL AND now_raises IS NOT NULL;
    RAISE EXCEPTION 'done' USING ERRCODE = 'ZZZZZ';
EXCEPTION WHEN SQLSTATE 'ZZZZZ' THEN
END
$$;

CREATE VIEW owned(owned) AS SELECT '
    GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA contact_sync TO regress_contact_owner;
    ALTER TABLE customers OWNER TO regress_contact_owner;
    ALTER TABLE contact_preferences OWNER TO regress_contact_owner;
    ALTER TABLE contact_methods OWNER TO regress_contact_owner;
    ALTER TABLE contact_history OWNER TO regress_contact_owner;
    CREATE VIEW seen AS SELECT * FROM contact_history;
    GRANT SELECT ON seen TO regress_contact_app;
    ALTER VIEW seen OWNER TO regress_contact_owner;';

\pset expanded on
--
-- By policies alone
--
SELECT * FROM tried('CREATE POLICY direct ON customers USING (EXISTS (SELECT FROM contact_methods WHERE customer_id = customers.id))');
SELECT * FROM tried('CREATE POLICY r ON customers FOR SELECT USING (branch IN (SELECT branch FROM technicians));
    CREATE POLICY t ON technicians USING (EXISTS (SELECT FROM contact_history) OR true)');
-- through two tables; the customer's own policy asks of one row alone, which makes no difference
SELECT * FROM tried('ALTER TABLE shifts ENABLE ROW LEVEL SECURITY;
    CREATE POLICY s ON shifts USING (technician IN (SELECT h.duration FROM contact_history h));
    CREATE POLICY t ON technicians USING (id IN (SELECT technician FROM shifts) OR true);
    CREATE POLICY r ON customers USING (branch = (SELECT t.branch FROM technicians t WHERE t.branch = customers.branch))');
-- A table between them without row security has its policies for nothing, and so have customers.
SELECT * FROM tried('CREATE POLICY r ON customers FOR SELECT USING (branch IN (SELECT branch FROM technicians));
    CREATE POLICY t ON technicians USING (EXISTS (SELECT FROM contact_history) OR true);
    ALTER TABLE technicians DISABLE ROW LEVEL SECURITY');
SELECT * FROM tried('CREATE POLICY direct ON customers USING (EXISTS (SELECT FROM contact_methods));
    ALTER TABLE customers DISABLE ROW LEVEL SECURITY');

--
-- By command: what is read in a policy is read under the SELECT policies.
--
SELECT * FROM tried('CREATE POLICY r ON customers FOR SELECT USING (branch IN (SELECT branch FROM technicians));
    CREATE POLICY t ON technicians FOR SELECT USING (true);
    CREATE POLICY d ON technicians FOR DELETE USING (EXISTS (SELECT FROM contact_history))');
SELECT * FROM tried('CREATE POLICY r ON customers FOR SELECT USING (true);
    CREATE POLICY i ON customers FOR INSERT WITH CHECK (EXISTS (SELECT FROM contact_history))');
SELECT * FROM tried('CREATE POLICY r ON customers FOR SELECT USING ((SELECT true));
    CREATE POLICY i ON customers FOR INSERT WITH CHECK (EXISTS (SELECT FROM contact_history))');
-- The condition of an UPDATE policy is copied to the contact tables.
SELECT * FROM tried('CREATE POLICY r ON customers FOR SELECT USING (true);
    CREATE POLICY u ON customers FOR UPDATE USING (EXISTS (SELECT FROM contact_history))');
-- Customers are read on the way back to another table.
SELECT * FROM tried('CREATE POLICY r ON customers FOR SELECT USING (EXISTS (SELECT FROM technicians));
    CREATE POLICY t ON technicians FOR SELECT USING ((SELECT true));
    CREATE POLICY w ON technicians FOR UPDATE USING (EXISTS (SELECT FROM contact_history))');
SELECT * FROM tried('CREATE POLICY r ON customers FOR SELECT USING (EXISTS (SELECT FROM technicians));
    CREATE POLICY t ON technicians FOR SELECT USING (true);
    CREATE POLICY w ON technicians FOR UPDATE USING (EXISTS (SELECT FROM contact_history))');
-- A contact table's own policy that reads the table, asleep since row security is off
SELECT * FROM tried('CREATE POLICY r ON customers USING (true);
    ALTER TABLE contact_history DISABLE ROW LEVEL SECURITY;
    CREATE POLICY asleep ON contact_history USING (EXISTS (SELECT FROM contact_history h WHERE h.method = contact_history.method))');
SELECT * FROM tried('CREATE POLICY r ON customers USING (true);
    ALTER TABLE contact_history DISABLE ROW LEVEL SECURITY;
    CREATE POLICY asleep ON contact_history USING (method = status)');

--
-- By role
--
-- Nobody has both policies.
SELECT * FROM tried('CREATE POLICY r ON customers FOR SELECT TO regress_contact_app USING (EXISTS (SELECT FROM technicians));
    CREATE POLICY t ON technicians TO regress_contact_other USING (EXISTS (SELECT FROM contact_history))');
-- Somebody has: regress_contact_clerk is regress_contact_app as well.
SELECT * FROM tried('CREATE POLICY r ON customers FOR SELECT TO regress_contact_app USING (EXISTS (SELECT FROM technicians));
    CREATE POLICY t ON technicians TO regress_contact_clerk USING (EXISTS (SELECT FROM contact_history) OR true)');
-- The table in between belongs to the only role its policy is for.
SELECT * FROM tried('CREATE POLICY r ON customers FOR SELECT TO regress_contact_app USING (EXISTS (SELECT FROM technicians));
    CREATE POLICY t ON technicians TO regress_contact_clerk USING (EXISTS (SELECT FROM contact_history) OR true);
    ALTER TABLE technicians OWNER TO regress_contact_clerk');

--
-- Through views
--
-- one that has its caller's rights, and one that has those of a role subject to row security
SELECT * FROM tried('CREATE VIEW seen WITH (security_invoker = on) AS SELECT * FROM contact_history;
    GRANT SELECT ON seen TO regress_contact_app;
    CREATE POLICY r ON customers FOR SELECT USING (EXISTS (SELECT FROM seen))');
SELECT * FROM tried('CREATE VIEW seen AS SELECT * FROM contact_history;
    ALTER VIEW seen OWNER TO regress_contact_other;
    GRANT SELECT ON seen TO regress_contact_app;
    CREATE POLICY r ON customers FOR SELECT USING (EXISTS (SELECT FROM seen))');
-- The owner's is fine, unless row security is forced on the owner: here not on a superuser, so another owns it all.
SELECT * FROM tried('CREATE VIEW seen AS SELECT * FROM contact_history;
    CREATE VIEW overview AS SELECT * FROM seen;
    GRANT SELECT ON overview TO regress_contact_app;
    CREATE POLICY r ON customers FOR SELECT USING (EXISTS (SELECT FROM overview))');
SELECT tried.* FROM owned, tried(owned || 'CREATE POLICY r ON customers FOR SELECT USING (EXISTS (SELECT FROM seen))');
SELECT tried.* FROM owned, tried(owned || 'CREATE POLICY r ON customers FOR SELECT USING (EXISTS (SELECT FROM seen));
    ALTER TABLE customers FORCE ROW LEVEL SECURITY; ALTER TABLE contact_history FORCE ROW LEVEL SECURITY');
-- The other role sees customers by a policy without a sub-select.
SELECT * FROM tried('CREATE VIEW seen AS SELECT * FROM contact_history;
    ALTER VIEW seen OWNER TO regress_contact_other;
    GRANT SELECT ON seen TO regress_contact_app;
    CREATE POLICY r ON customers FOR SELECT TO regress_contact_app USING (EXISTS (SELECT FROM seen));
    CREATE POLICY o ON customers FOR SELECT TO regress_contact_other USING (true)');
-- A materialized view is a table.
SELECT * FROM tried('CREATE MATERIALIZED VIEW seen AS SELECT * FROM contact_history;
    GRANT SELECT ON seen TO regress_contact_app;
    CREATE POLICY r ON customers FOR SELECT USING (EXISTS (SELECT FROM seen))');

--
-- Through functions
--
CREATE FUNCTION asked() RETURNS boolean LANGUAGE sql STABLE
    AS 'SELECT EXISTS (SELECT FROM regress_recursion.contact_history)';
SELECT * FROM tried('CREATE POLICY r ON customers FOR SELECT USING (asked() OR id = 1)');
-- what verify says to do
SELECT * FROM tried('CREATE POLICY r ON customers FOR SELECT USING (asked() OR id = 1);
    ALTER FUNCTION asked() SECURITY DEFINER');
SELECT * FROM tried('CREATE POLICY r ON customers FOR SELECT USING (asked() OR id = 1);
    ALTER FUNCTION asked() SECURITY DEFINER; ALTER FUNCTION asked() OWNER TO regress_contact_other');
-- A function whose body was parsed when it was made leaves no doubt.
SELECT * FROM tried('CREATE FUNCTION parsed() RETURNS boolean LANGUAGE sql STABLE
        BEGIN ATOMIC SELECT EXISTS (SELECT FROM contact_history); END;
    CREATE POLICY r ON customers FOR SELECT USING (parsed() OR id = 1)');
-- by an operator, within a view; by another function; in dynamic SQL; in another table's policy
SELECT * FROM tried('CREATE FUNCTION same(text, text) RETURNS boolean LANGUAGE plpgsql STABLE
        AS ''BEGIN PERFORM FROM "contact_history"; RETURN true; END'';
    CREATE OPERATOR === (LEFTARG = text, RIGHTARG = text, FUNCTION = same);
    CREATE VIEW seen AS SELECT * FROM technicians WHERE branch === ''north'';
    GRANT SELECT ON seen TO regress_contact_app;
    CREATE POLICY r ON customers FOR SELECT USING (branch IN (SELECT branch FROM seen))');
SELECT * FROM tried('CREATE FUNCTION asks() RETURNS boolean LANGUAGE plpgsql STABLE AS ''BEGIN RETURN asked(); END'';
    CREATE POLICY r ON customers FOR SELECT USING (asks() OR id = 1)');
SELECT * FROM tried('CREATE FUNCTION counted(text) RETURNS bigint LANGUAGE plpgsql STABLE
        AS ''DECLARE n bigint; BEGIN EXECUTE format(''''SELECT count(*) FROM contact_%s'''', $1) INTO n; RETURN n; END'';
    CREATE POLICY r ON customers FOR SELECT USING (counted(''history'') >= 0)');
SELECT * FROM tried('CREATE POLICY t ON technicians USING (asked() OR id = 1);
    CREATE POLICY r ON customers FOR SELECT USING (branch IN (SELECT branch FROM technicians))');
-- An UPDATE policy asks, but reading customers does not.
SELECT * FROM tried('CREATE POLICY r ON customers FOR SELECT USING ((SELECT true));
    CREATE POLICY u ON customers FOR UPDATE USING (asked() OR id = 1)');
-- Functions that read nothing, or nothing that leads to contact tables
SELECT * FROM tried('CREATE FUNCTION uid() RETURNS text LANGUAGE sql STABLE
        AS ''SELECT nullif(current_setting(''''request.jwt.claim.sub'''', true), '''''''')'';
    CREATE FUNCTION works() RETURNS boolean LANGUAGE sql STABLE
        AS ''SELECT EXISTS (SELECT FROM technicians WHERE branch = uid()) OR true'';
    CREATE POLICY t ON technicians USING (uid() IS NULL);
    CREATE POLICY r ON customers USING (uid() IS NULL AND works())');

--
-- What verify says to do helps, to the end.
--
\pset expanded off
BEGIN;
CREATE POLICY t ON technicians USING (EXISTS (SELECT FROM contact_history) OR true);
CREATE POLICY r ON customers FOR SELECT USING (branch IN (SELECT branch FROM technicians));
SAVEPOINT blocked;
SELECT * FROM contact_sync.attach('customers');
ROLLBACK TO blocked;
SELECT status, count(*) FROM contact_sync.verify('customers', rls => 'keep') WHERE check_name = 'recursive_policy'
    GROUP BY status;
ALTER FUNCTION asked() SECURITY DEFINER SET search_path = regress_recursion, pg_temp;
ALTER POLICY t ON technicians USING (asked() OR id = 1);
SELECT count(*) FROM contact_sync.attach('customers');
SELECT count(*) FROM contact_sync.verify('customers') WHERE status IN ('fix', 'blocked') OR check_name = 'recursive_policy';
SET LOCAL ROLE regress_contact_app;
SELECT id FROM customers;
SELECT customer_id FROM contact_history;
ROLLBACK;
-- It says so as well where a policy comes later.
BEGIN;
SELECT count(*) FROM contact_sync.attach('customers');
CREATE POLICY t ON technicians USING (EXISTS (SELECT FROM contact_history) OR true);
CREATE POLICY r ON customers FOR SELECT USING (branch IN (SELECT branch FROM technicians));
SELECT status, object FROM contact_sync.verify('customers') WHERE check_name = 'recursive_policy';
ROLLBACK;

-- clean up
RESET search_path;
DROP SCHEMA regress_recursion CASCADE;
DROP ROLE regress_contact_clerk, regress_contact_app, regress_contact_other, regress_contact_owner;
