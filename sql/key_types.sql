--
-- The customer's key may be of any type that can be compared: the same life of two customers for each.
--
\pset format unaligned
\pset footer off
\pset null (null)
\set VERBOSITY terse
\set SHOW_CONTEXT never
\set caught 'WITH caught AS (DELETE FROM contact_sync.failures RETURNING *) SELECT customer, function, sqlstate FROM caught;'
SET client_min_messages = error;      -- the failure is looked up in failures

CREATE SCHEMA regress_keys;
SET search_path = regress_keys;
CREATE EXTENSION citext SCHEMA regress_keys;
CREATE DOMAIN shop_key AS varchar(20) CHECK (VALUE LIKE 'shop %');
CREATE DOMAIN small_key AS int CHECK (VALUE > 0);
CREATE TYPE kind AS ENUM ('one', 'two', 'three');
CREATE TYPE pair AS (shop int, nr int);

CREATE PROCEDURE create_tables(type text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TABLE customers (id %s PRIMARY KEY, phone text, whatsapp text)', type);
    EXECUTE format('CREATE TABLE contact_preferences (preferred_method text DEFAULT ''whatsapp'', '
                   'customer_id %s UNIQUE REFERENCES customers ON DELETE CASCADE ON UPDATE CASCADE)', type);
    EXECUTE format('CREATE TABLE contact_methods (method_type text, phone_number text CHECK (phone_number <> ''0999''), '
                   'customer_id %s REFERENCES customers ON DELETE CASCADE ON UPDATE CASCADE, '
                   'UNIQUE (customer_id, method_type))', type);
    CREATE TRIGGER trigger_initialize_contact_preferences AFTER INSERT ON customers
        FOR EACH ROW EXECUTE FUNCTION contact_sync.initialize_contact_preferences();
    CREATE TRIGGER trigger_update_contact_methods AFTER INSERT OR UPDATE ON customers
        FOR EACH ROW EXECUTE FUNCTION contact_sync.update_contact_methods();
END
$$;

-- Two customers come; the first changes its number, the second has none any more; the first gets another key, the second a
-- number that contact_methods does not take; the first goes.
CREATE FUNCTION life(type text, one text, two text, three text,
                     OUT step text, OUT customer text, OUT preferred text, OUT methods text)
RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
    change text;
BEGIN
    CALL create_tables(type);
    FOR step, change IN VALUES
        ('insert', format('INSERT INTO customers VALUES (%L, ''0701'', ''0801''), (%L, ''0702'', ''0802'')', one, two)),
        ('change', format('UPDATE customers SET phone = ''0711'' WHERE id = %L::%s', one, type)),
        ('empty', format('UPDATE customers SET phone = '''', whatsapp = NULL WHERE id = %L::%s', two, type)),
        ('new key', format('UPDATE customers SET id = %L, whatsapp = ''0811'' WHERE id = %L::%s', three, one, type)),
        ('failure', format('UPDATE customers SET phone = ''0999'' WHERE id = %L::%s', two, type)),
        ('delete', format('DELETE FROM customers WHERE id = %L::%s', three, type))
    LOOP
        EXECUTE change;
        FOR customer, preferred, methods IN
            SELECT p.customer_id, p.preferred_method,
                   (SELECT string_agg(concat_ws(' ', m.method_type, m.phone_number), ', ' ORDER BY m.method_type)
                    FROM contact_methods m WHERE m.customer_id = p.customer_id)
            FROM contact_preferences p ORDER BY p.customer_id
        LOOP
            RETURN NEXT;
        END LOOP;
    END LOOP;
    DROP TABLE customers, contact_methods, contact_preferences;
END
$$;

-- bigint
SELECT * FROM life('bigint', '1', '9000000000000000000', '2');
:caught
-- text, with whatever is in it
SELECT * FROM life('text', 'A', 'B', 'C''s "\key"');
:caught
-- varchar(n)
SELECT * FROM life('varchar(8)', 'A', 'B', 'C');
:caught
-- char(n), padded with blanks
SELECT * FROM life('char(4)', 'A', 'B', 'C');
:caught
-- uuid
SELECT * FROM life('uuid', '00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-000000000003');
:caught
-- citext
SELECT * FROM life('citext', 'a', 'B', 'C');
:caught
-- A domain over varchar(n)
SELECT * FROM life('shop_key', 'shop 1', 'shop 2', 'shop 3');
:caught
-- A domain over int
SELECT * FROM life('small_key', '1', '2', '3');
:caught
-- numeric, an enum, inet
SELECT * FROM life('numeric', '1.0', '2', '3');
:caught
SELECT * FROM life('kind', 'one', 'two', 'three');
:caught
SELECT * FROM life('inet', '10.0.0.1', '10.0.0.2', '10.0.0.3');
:caught
-- A composite type, an array
SELECT * FROM life('pair', '(1,1)', '(1,2)', '(2,1)');
:caught
SELECT * FROM life('int[]', '{1,1}', '{1,2}', '{2,1}');
:caught

-- citext: a key in other letters is the same key, and finds its methods.
CALL create_tables('citext');
INSERT INTO customers VALUES ('Anna', '0701', '0801');
UPDATE customers SET phone = '0711' WHERE id = 'ANNA';
UPDATE customers SET id = 'anna', phone = '0721' WHERE id = 'ANNA';
SELECT customer_id, method_type, phone_number FROM contact_methods ORDER BY method_type;
:caught

-- clean up
DROP SCHEMA regress_keys CASCADE;
