--
-- The trigger functions are no deputies: a role that may put them on a table makes them write nothing but the contact data
-- of that table's own customers, and a trigger function of its own never takes the owner's rights by way of them.
--
\pset format unaligned
\pset footer off
\pset null -
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE ROLE regress_deputy_shop;
CREATE ROLE regress_deputy_mallory;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA contact_sync TO regress_deputy_shop, regress_deputy_mallory;
CREATE SCHEMA regress_deputy AUTHORIZATION regress_deputy_shop;
CREATE SCHEMA regress_deputy_mallory AUTHORIZATION regress_deputy_mallory;
CREATE TABLE regress_deputy_mallory.ran (what text, as_whom name DEFAULT current_user);
GRANT USAGE ON SCHEMA regress_deputy, regress_deputy_mallory TO PUBLIC;
GRANT ALL ON regress_deputy_mallory.ran TO PUBLIC;
SET search_path = regress_deputy;
SET ROLE regress_deputy_shop;
CREATE TABLE customers (id bigint PRIMARY KEY, phone varchar(20), whatsapp varchar(20), referred_by bigint, notes text);
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers');
INSERT INTO customers VALUES (1, '1', '1'), (2, '2', '2');
CREATE TABLE guestbook (n bigint, entry text);
CREATE TABLE regions (region bigint, id bigint, PRIMARY KEY (region, id), entry text);
CREATE TABLE guestbook_child () INHERITS (guestbook);
GRANT ALL ON guestbook, guestbook_child, regions TO regress_deputy_mallory;
GRANT INSERT, UPDATE, TRIGGER ON customers TO regress_deputy_mallory;
RESET ROLE;
\set methods 'SELECT customer_id AS id, string_agg(phone_number, '', '' ORDER BY method_type) AS "phone_call, sms, whatsapp" FROM contact_methods GROUP BY 1 ORDER BY 1;'
\set failures 'DELETE FROM contact_sync.failures RETURNING customer, function, sqlstate, message;'

--
-- On another table of the same owner
--
SET ROLE regress_deputy_mallory;
CREATE TRIGGER deputy AFTER INSERT OR UPDATE ON guestbook
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods('n', 'entry', 'entry');
CREATE TRIGGER deputy AFTER INSERT OR UPDATE ON guestbook_child
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods('n', 'entry', 'entry');
CREATE TRIGGER deputy_too AFTER INSERT ON guestbook
    FOR EACH ROW EXECUTE FUNCTION contact_sync.initialize_contact_preferences('n');
INSERT INTO guestbook VALUES (1, '+900 PREMIUM'), (2, '+900 PREMIUM');
UPDATE guestbook SET entry = '+900 EXPENSIVE';
INSERT INTO guestbook_child VALUES (1, '+900 PREMIUM');
RESET ROLE;
:methods
:failures

--
-- On customers themselves, by another column: one that names another customer
--
SET ROLE regress_deputy_mallory;
CREATE TRIGGER deputy AFTER INSERT OR UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods('referred_by', 'notes', 'notes');
INSERT INTO customers VALUES (3, '3', '3', 2, '+900 PREMIUM');
RESET ROLE;
:methods
:failures
DROP TRIGGER deputy ON customers;

--
-- Foreign keys of several columns, and not validated
--
ALTER TABLE contact_methods DROP CONSTRAINT contact_methods_customer_id_fkey, ADD region bigint,
    ADD FOREIGN KEY (region, customer_id) REFERENCES regions NOT VALID;
SET ROLE regress_deputy_mallory;
INSERT INTO guestbook VALUES (1, '+900 PREMIUM');
INSERT INTO regions VALUES (1, 1);
CREATE TRIGGER deputy AFTER INSERT OR UPDATE ON regions
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods('region', 'entry', 'entry');
UPDATE regions SET entry = '+900 PREMIUM';
SET ROLE regress_deputy_shop;
UPDATE customers SET phone = '11' WHERE id = 1;
RESET ROLE;
:methods
:failures
ALTER TABLE contact_methods DROP region, ADD FOREIGN KEY (customer_id) REFERENCES customers;

--
-- In a schema with a contact table, but none of these customers: a temporary table, a table of her own
--
SET ROLE regress_deputy_mallory;
CREATE TEMPORARY TABLE customers (id bigint, phone text, whatsapp text);
CREATE TRIGGER deputy AFTER INSERT ON pg_temp.customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();
CREATE TRIGGER deputy_too BEFORE INSERT ON pg_temp.customers
    FOR EACH ROW EXECUTE FUNCTION contact_sync.sync_contact_numbers();
SET client_min_messages = error;       -- which would name the schema
INSERT INTO pg_temp.customers VALUES (1, '+900 PREMIUM');
CREATE TEMPORARY TABLE contact_methods (customer_id bigint, method_type text, phone_number text, UNIQUE (customer_id, method_type));
INSERT INTO pg_temp.customers VALUES (2, '+900 PREMIUM');
SELECT * FROM pg_temp.contact_methods;
SET client_min_messages = warning;
DROP TABLE pg_temp.customers, pg_temp.contact_methods;
RESET ROLE;
:methods
-- It fills no table that others read.
:failures

--
-- Whoever calls the functions themselves, with a table he has no right to, is refused, or told nothing that the catalog does
-- not tell, and holds no lock on it.
--
REVOKE ALL ON customers FROM regress_deputy_mallory;
CREATE FUNCTION pg_temp.called(function regprocedure) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    call text := (SELECT format('%s %s(%s)', CASE prokind WHEN 'p' THEN 'CALL' ELSE 'SELECT * FROM' END, function::regproc,
                                string_agg(CASE type::regtype::text
                                           WHEN 'regclass' THEN '''regress_deputy.customers'''
                                           WHEN 'oid' THEN '''regress_deputy.contact_methods''::regclass::oid'
                                           ELSE 'NULL::' || type::regtype END, ', ' ORDER BY n))
                  FROM pg_proc, unnest(proargtypes) WITH ORDINALITY AS u(type, n) WHERE oid = function GROUP BY prokind);
    locked text;
BEGIN
    EXECUTE call;
    locked := (SELECT string_agg(DISTINCT relation::regclass::text, ', ') FROM pg_locks WHERE pid = pg_backend_pid()
               AND relation IN (SELECT oid FROM pg_class WHERE relnamespace = 'regress_deputy'::regnamespace));
    RETURN concat_ws(', locks ', 'runs', locked);
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
GRANT ALL ON FUNCTION pg_temp.called(regprocedure) TO PUBLIC;
SET ROLE regress_deputy_mallory;
SELECT proname, outcome FROM pg_proc p, pg_temp.called(p.oid) AS outcome
    WHERE pronamespace = 'contact_sync'::regnamespace AND pronargs > 0 ORDER BY proname COLLATE "C";
SELECT proname, outcome FROM pg_proc p, pg_temp.called(p.oid) AS outcome
    WHERE pronamespace = 'contact_sync_internal'::regnamespace AND pronargs > 0 AND outcome LIKE '%locks%';
RESET ROLE;

-- Neither by somebody else's session: what REINDEX, VACUUM and ANALYZE of a superuser's call, as autovacuum's do, is still
-- the owner of that index, who may not know.
ALTER TABLE contact_methods ADD CONSTRAINT none CHECK (phone_number <> 'none') NOT VALID;
INSERT INTO customers VALUES (4, 'none', 'none');
SET ROLE regress_deputy_mallory;
CREATE FUNCTION regress_deputy_mallory.peek(bigint) RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS $$
DECLARE
    function text;
BEGIN
    FOREACH function IN ARRAY '{waiting_failures, waiting_failures_as_keeper}'::text[] LOOP
        BEGIN
            EXECUTE 'SELECT pg_advisory_lock(4711, count(*)::int) FROM contact_sync_internal.' || function
                || '(''regress_deputy.customers'')';
        EXCEPTION WHEN insufficient_privilege THEN
            PERFORM pg_advisory_lock(4711, -1);
        END;
    END LOOP;
    RETURN $1;
END
$$;
CREATE TABLE regress_deputy_mallory.bait (n bigint);
INSERT INTO regress_deputy_mallory.bait SELECT generate_series(1, 10);
CREATE INDEX ON regress_deputy_mallory.bait (regress_deputy_mallory.peek(n));
CREATE MATERIALIZED VIEW regress_deputy_mallory.bait_too AS SELECT regress_deputy_mallory.peek(n) FROM regress_deputy_mallory.bait;
RESET ROLE;
SELECT pg_advisory_unlock_all();
REINDEX TABLE regress_deputy_mallory.bait;
ANALYZE regress_deputy_mallory.bait;
CLUSTER regress_deputy_mallory.bait USING bait_peek_idx;
REFRESH MATERIALIZED VIEW regress_deputy_mallory.bait_too;
VACUUM (FULL, ANALYZE) regress_deputy_mallory.bait;
SELECT DISTINCT objid::int AS seen FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND classid = 4711;
SELECT pg_advisory_unlock_all();
-- The owner may.
SET ROLE regress_deputy_shop;
SELECT customer, times FROM contact_sync_internal.waiting_failures('customers');
RESET ROLE;
ALTER TABLE contact_methods DROP CONSTRAINT none;
DELETE FROM customers WHERE id = 4;
DELETE FROM contact_sync.failures;

--
-- A Database Webhook: a trigger whose SECURITY DEFINER function belongs to another role. It runs with its own rights.
--
SET ROLE regress_deputy_mallory;
CREATE FUNCTION regress_deputy_mallory.webhook() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO regress_deputy_mallory.ran VALUES (TG_TABLE_NAME || ' ' || TG_OP);
    RETURN NEW;
END
$$;
SET ROLE regress_deputy_shop;
GRANT TRIGGER ON contact_methods, contact_preferences TO regress_deputy_mallory;
SET ROLE regress_deputy_mallory;
CREATE TRIGGER webhook AFTER INSERT OR UPDATE OR DELETE ON contact_methods
    FOR EACH ROW EXECUTE FUNCTION regress_deputy_mallory.webhook();
CREATE TRIGGER webhook BEFORE INSERT ON contact_preferences
    FOR EACH ROW EXECUTE FUNCTION regress_deputy_mallory.webhook();
SET ROLE regress_deputy_shop;
SELECT check_name, object, status, problem FROM contact_sync.verify('customers') WHERE status IN ('fix', 'blocked');
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers');
INSERT INTO customers VALUES (5, '5', '5');
UPDATE customers SET phone = '55', whatsapp = NULL WHERE id = 5;
CALL contact_sync.reconcile('customers');
RESET ROLE;
SELECT DISTINCT what, as_whom FROM regress_deputy_mallory.ran ORDER BY 1;
DELETE FROM regress_deputy_mallory.ran;
:failures
-- Before its next call it may become another function: nothing of hers runs as the owner, whatever it is by then. Also not
-- where it changes within a statement, between two customers.
SET ROLE regress_deputy_mallory;
ALTER FUNCTION regress_deputy_mallory.webhook() SECURITY INVOKER;
SET ROLE regress_deputy_shop;
UPDATE customers SET phone = '555' WHERE id = 5;
SET ROLE regress_deputy_mallory;
ALTER FUNCTION regress_deputy_mallory.webhook() SECURITY DEFINER;
SET ROLE regress_deputy_shop;
UPDATE customers SET phone = '5555' WHERE id = 5;
RESET ROLE;
CREATE FUNCTION regress_deputy_mallory.swap() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    ALTER FUNCTION regress_deputy_mallory.webhook() SECURITY INVOKER;
    RETURN NEW;
END
$$;
ALTER FUNCTION regress_deputy_mallory.swap() OWNER TO regress_deputy_mallory;
SET ROLE regress_deputy_mallory;
CREATE TRIGGER a_swap BEFORE INSERT OR UPDATE ON contact_methods
    FOR EACH ROW EXECUTE FUNCTION regress_deputy_mallory.swap();
CREATE TRIGGER b_webhook BEFORE INSERT OR UPDATE ON contact_methods
    FOR EACH ROW EXECUTE FUNCTION regress_deputy_mallory.webhook();
SET ROLE regress_deputy_shop;
UPDATE customers SET phone = '0' || phone;
INSERT INTO customers VALUES (6, '6', '6'), (7, '7', '7');
RESET ROLE;
SELECT DISTINCT what, as_whom FROM regress_deputy_mallory.ran ORDER BY 1;
DELETE FROM contact_sync.failures RETURNING customer, sqlstate, message;
SELECT check_name, object, status, problem FROM contact_sync.verify('customers') WHERE status IN ('fix', 'blocked');
DROP TRIGGER webhook ON contact_methods;
DROP TRIGGER a_swap ON contact_methods;
DROP TRIGGER b_webhook ON contact_methods;
CALL contact_sync.reconcile('customers');
:methods

DROP SCHEMA regress_deputy, regress_deputy_mallory CASCADE;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA contact_sync FROM regress_deputy_shop, regress_deputy_mallory;
DROP ROLE regress_deputy_shop, regress_deputy_mallory;
