--
-- What the sync evaluates itself, with nothing around it, only computes: PostgreSQL's own immutable functions, of plain
-- types, on plain columns. All else is left to the executor, or, where a role with TRIGGER wrote it, not run at all.
--
\pset format unaligned
\pset footer off
\pset null -
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE ROLE regress_computation_shop;
CREATE ROLE regress_computation_mallory;
GRANT EXECUTE ON FUNCTION contact_sync.sync_contact_numbers(), contact_sync.initialize_contact_preferences(),
    contact_sync.update_contact_methods(), contact_sync.touch_updated_at() TO regress_computation_shop;
CREATE SCHEMA regress_computation AUTHORIZATION regress_computation_shop;
CREATE EXTENSION hstore SCHEMA regress_computation;
SET search_path = regress_computation;
-- What ran, and with whose rights. Everybody may write it.
CREATE TABLE ran (what text, as_whom name DEFAULT current_user);
CREATE SCHEMA regress_computation_mallory AUTHORIZATION regress_computation_mallory;
GRANT USAGE ON SCHEMA regress_computation TO regress_computation_mallory;
GRANT USAGE ON SCHEMA regress_computation_mallory TO PUBLIC;
GRANT ALL ON ran TO PUBLIC;

SET ROLE regress_computation_shop;
CREATE TABLE customers (id bigint PRIMARY KEY, phone varchar(20), whatsapp varchar(20));
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers');
GRANT TRIGGER ON contact_methods TO regress_computation_mallory;
CREATE FUNCTION tell(what text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO regress_computation.ran VALUES (what);
    RETURN true;
END
$$;
CREATE DOMAIN told AS text CHECK (regress_computation.tell('domain'));
CREATE DOMAIN told_again AS told;
CREATE TYPE with_domain AS (number told);
CREATE TYPE with_array AS (numbers told[]);
CREATE TYPE range_of AS RANGE (subtype = text);

--
-- CHECKs of the owner's: many customers, in one statement and one by one
--
CREATE PROCEDURE work(label text, condition text) LANGUAGE plpgsql AS $$
DECLARE
    outcome text;
    ways text;
BEGIN
    EXECUTE format('ALTER TABLE contact_methods ADD CONSTRAINT watched CHECK (%s) NOT VALID', condition);
    INSERT INTO customers VALUES (1, '1', '1');
    INSERT INTO customers SELECT n, n, n FROM generate_series(2, 40) AS n;
    FOR n IN 1..40 LOOP
        UPDATE customers SET phone = phone || '0' WHERE id = 1 + n % 7;
    END LOOP;
    UPDATE customers SET phone = phone || '1', whatsapp = phone;
    outcome := (SELECT CASE WHEN count(*) = 120 AND bool_and(phone_number = CASE method_type WHEN 'whatsapp' THEN whatsapp ELSE phone END)
                            THEN 'in step' ELSE 'out of step' END
                FROM contact_methods JOIN customers ON customers.id = customer_id);
    ways := (SELECT string_agg(DISTINCT what || ' as ' || as_whom, ', ') FROM regress_computation.ran);
    RAISE WARNING '%: %; ran %', label, outcome, coalesce(ways, 'nothing');
    ALTER TABLE contact_methods DROP CONSTRAINT watched;
    TRUNCATE customers CASCADE;
    DELETE FROM regress_computation.ran;
END
$$;
CALL work('plain', $$phone_number <> '' AND length(phone_number) < 20$$);
CALL work('whole row', $$NOT (contact_methods IS NULL)$$);
CALL work('whole row to a function', $$hash_record(contact_methods) IS NOT NULL$$);
CALL work('whole row to text', $$contact_methods::text <> ''$$);
CALL work('whole row compared', $$contact_methods = contact_methods$$);
CALL work('whole row to JSON', $$to_jsonb(contact_methods) ? 'id'$$);
CALL work('row', $$ROW(phone_number, method_type) <> ROW('', '')$$);
CALL work('row of a type', $$ROW(phone_number)::with_domain IS NOT NULL$$);
CALL work('domain', $$phone_number::told_again IS NOT NULL$$);
CALL work('array of a domain', $$ARRAY[phone_number]::told[] IS NOT NULL$$);
CALL work('input of a domain', $$format('(%s)', phone_number)::with_domain IS NOT NULL$$);
CALL work('hstore into a row', $$populate_record(NULL::with_domain, hstore('number', phone_number)) IS NOT NULL$$);
CALL work('hstore of a row', $$hstore(contact_methods) -> 'method_type' = method_type$$);
CALL work('JSON into a row', $$jsonb_populate_record(NULL::with_domain, jsonb_build_object('number', phone_number)) IS NOT NULL$$);
CALL work('JSON into an array', $$json_populate_record(NULL::with_array, '{"numbers": ["1"]}') IS NOT NULL$$);
CALL work('field of a row', $$(jsonb_populate_record(NULL::with_domain, '{"number": "1"}')).number <> phone_number || 'x'$$);
CALL work('range', $$range_of(phone_number, NULL) @> phone_number::text$$);
CALL work('function of the owner''s', $$tell('function')$$);
SELECT * FROM contact_sync_internal.waiting_failures('customers');

--
-- Conditions of triggers: who holds TRIGGER on the table wrote them, so none is met with the owner's rights unless it only
-- computes. It stops the sync of that table, and says why.
--
INSERT INTO customers VALUES (1, '1', '1');
RESET ROLE;
SET ROLE regress_computation_mallory;
CREATE FUNCTION regress_computation_mallory.tell(what text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO regress_computation.ran VALUES (what);
    RETURN true;
END
$$;
CREATE DOMAIN regress_computation_mallory.told AS text CHECK (regress_computation_mallory.tell('domain'));
CREATE TYPE regress_computation_mallory.with_domain AS (number regress_computation_mallory.told);
CREATE FUNCTION regress_computation_mallory.same(bigint, bigint) RETURNS boolean LANGUAGE sql AS
    $$ SELECT regress_computation_mallory.tell('operator') $$;
CREATE OPERATOR regress_computation_mallory.=
    (FUNCTION = regress_computation_mallory.same, LEFTARG = bigint, RIGHTARG = bigint);
RESET ROLE;
CREATE FUNCTION met(condition text, OUT outcome text, OUT problem text, OUT ran text) LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL ROLE regress_computation_mallory;
    EXECUTE format('CREATE TRIGGER met BEFORE UPDATE ON contact_methods FOR EACH ROW WHEN (%s) '
                   'EXECUTE FUNCTION suppress_redundant_updates_trigger()', condition);
    SET LOCAL ROLE regress_computation_shop;
    UPDATE customers SET phone = phone || '0' WHERE id = 1;
    outcome := (SELECT CASE phone_number WHEN phone THEN 'written' ELSE 'not written' END
                FROM customers JOIN contact_methods ON (customer_id, method_type) = (1, 'sms'));
    SET LOCAL ROLE NONE;
    problem := (SELECT f.sqlstate FROM contact_sync.failures f);
    ran := (SELECT string_agg(r.what || ' as ' || r.as_whom, ', ') FROM regress_computation.ran AS r);
    DELETE FROM contact_sync.failures;
    DELETE FROM regress_computation.ran;
    DROP TRIGGER met ON contact_methods;
END
$$;
SET client_min_messages = error;
SELECT condition, of.* FROM unnest(ARRAY[
    $$OLD.phone_number <> NEW.phone_number$$,
    $$OLD.* IS DISTINCT FROM NEW.*$$,
    $$NEW.phone_number LIKE '0%' AND pg_trigger_depth() < 9$$,
    $$regress_computation_mallory.tell('function')$$,
    $$NEW.customer_id OPERATOR(regress_computation_mallory.=) OLD.customer_id$$,
    $$NEW.phone_number::regress_computation_mallory.told IS NOT NULL$$,
    $$ARRAY[NEW.phone_number]::regress_computation_mallory.told[] IS NOT NULL$$,
    $$populate_record(NULL::regress_computation_mallory.with_domain, hstore('number', NEW.phone_number)) IS NOT NULL$$,
    $$jsonb_populate_record(NULL::regress_computation_mallory.with_domain, '{"number": 1}') IS NOT NULL$$,
    $$format('(%s)', NEW.phone_number)::regress_computation_mallory.with_domain IS NOT NULL$$,
    $$NEW.* > ROW(NULL, NULL)$$,
    $$to_jsonb(NEW) IS NOT NULL$$,
    $$query_to_xml('SELECT regress_computation_mallory.tell(''XML'')', false, false, '') IS NOT NULL$$,
    $$set_config('search_path', 'regress_computation_mallory', false) <> ''$$,
    $$lo_import('/dev/null') > 0$$]) AS condition, met(condition) AS of;
SELECT * FROM contact_sync.failures;

DROP SCHEMA regress_computation, regress_computation_mallory CASCADE;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA contact_sync FROM regress_computation_shop;
DROP ROLE regress_computation_shop, regress_computation_mallory;
