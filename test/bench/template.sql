-- The tables of one kind with contact data for :customers customers, and no trigger on customers: what each contender
-- starts from.  kind is attach (contact tables as attach creates them) or legacy (those of the fixture).  Run as
-- superuser in a database that belongs to shop.
SET SESSION AUTHORIZATION shop;
\i :fixture
CREATE EXTENSION contact_sync;

-- Keeping updated_at of customers is not contact sync, and would only make every contender alike.
DROP TRIGGER update_customers_updated_at ON customers;
DROP TRIGGER trigger_sync_contact_numbers ON customers;
DROP TRIGGER trigger_initialize_contact_preferences ON customers;
DROP TRIGGER trigger_update_contact_methods ON customers;

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app;
SELECT :'kind' = 'attach' AS created \gset
\if :created
DROP TABLE contact_preferences, contact_methods, contact_history;
\endif
-- Both kinds get the same keys, and legacy ones keep their policies; the triggers that attach makes are contenders.
SELECT count(*) FROM contact_sync.attach('customers', rls => CASE WHEN :'created' THEN 'inherit' ELSE 'keep' END);
SELECT format('DROP TRIGGER %I ON customers', tgname) FROM pg_trigger
WHERE tgrelid = 'customers'::regclass AND tgname LIKE 'trigger\_%' \gexec
RESET SESSION AUTHORIZATION;

-- All numbers are verified, all rows of a known age: so that it can be told which of them were kept.
SET session_replication_role = replica;
INSERT INTO customers (id, name, phone, whatsapp, email, city, created_at)
SELECT md5(n::text)::uuid, 'Customer ' || n, 10000000 + n, 20000000 + n, n || '@example.com', 'Arusha', '2024-01-01'
FROM generate_series(1, :customers) AS n;
INSERT INTO contact_preferences (customer_id, created_at) SELECT id, '2024-01-01' FROM customers;
INSERT INTO contact_methods (customer_id, method_type, phone_number, is_preferred, last_verified, verification_status,
                             created_at)
SELECT id, m.method, m.number, m.method = 'whatsapp', '2024-02-01', 'verified', '2024-01-01'
FROM customers CROSS JOIN LATERAL (VALUES ('whatsapp', whatsapp), ('sms', phone), ('phone_call', phone))
     AS m(method, number);
RESET session_replication_role;
VACUUM ANALYZE;
