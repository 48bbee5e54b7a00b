--
-- A foreign key of somebody else's table: what it does there to rows that refer fires that table's AFTER triggers. Before
-- PostgreSQL 18 they would run with the rights of the contact tables' owner, so the call is refused. Since then they run
-- as the owner of their table (foreign_key_triggers_1.out).
--
\pset format unaligned
\pset footer off
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE ROLE regress_fk_owner;
CREATE ROLE regress_fk_mallory;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA contact_sync TO regress_fk_owner;
CREATE SCHEMA regress_fk AUTHORIZATION regress_fk_owner;
CREATE SCHEMA regress_fk_mallory AUTHORIZATION regress_fk_mallory;
GRANT USAGE ON SCHEMA regress_fk, regress_fk_mallory TO PUBLIC;
SET search_path = regress_fk;
CREATE TABLE log (what text, as_whom name DEFAULT current_user);
GRANT ALL ON log TO PUBLIC;
SET ROLE regress_fk_owner;
CREATE TABLE customers (id bigint PRIMARY KEY, phone varchar(20), whatsapp varchar(20));
SELECT count(*) > 0 AS attached FROM contact_sync.attach('customers');
GRANT SELECT, REFERENCES ON contact_methods TO regress_fk_mallory;
INSERT INTO customers VALUES (1, '1', '1');

SET ROLE regress_fk_mallory;
CREATE FUNCTION regress_fk_mallory.take() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO regress_fk.log VALUES (TG_OP || ' ' || TG_LEVEL);
    RETURN NULL;
END
$$;
CREATE TABLE regress_fk_mallory.claims (
    customer_id bigint, method_type varchar(20),
    FOREIGN KEY (customer_id, method_type) REFERENCES contact_methods (customer_id, method_type) ON DELETE CASCADE
);
CREATE TRIGGER take AFTER UPDATE OR DELETE ON regress_fk_mallory.claims
    FOR EACH ROW EXECUTE FUNCTION regress_fk_mallory.take();
CREATE TRIGGER take_statement AFTER UPDATE OR DELETE ON regress_fk_mallory.claims
    FOR EACH STATEMENT EXECUTE FUNCTION regress_fk_mallory.take();
INSERT INTO regress_fk_mallory.claims VALUES (1, 'whatsapp');
SET ROLE regress_fk_owner;
UPDATE customers SET whatsapp = NULL, phone = NULL WHERE id = 1;
SELECT count(*) FROM contact_methods;
SELECT check_name, status, problem FROM contact_sync.verify('customers') WHERE status = 'blocked';
CALL contact_sync.reconcile('customers');
SELECT count(*) FROM contact_methods;
RESET ROLE;
SELECT * FROM log ORDER BY what;

DELETE FROM contact_sync.failures;
DROP SCHEMA regress_fk, regress_fk_mallory CASCADE;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA contact_sync FROM regress_fk_owner;
DROP ROLE regress_fk_owner, regress_fk_mallory;
