WITH new AS (
    INSERT INTO customers (name, phone, whatsapp, email, city)
    SELECT 'New ' || n, 40000000 + n, 40000000 + n, n || '@example.com', 'Arusha'
    FROM generate_series(1, :customers) AS n
    RETURNING id, phone, whatsapp
), preferences AS (
    INSERT INTO contact_preferences (customer_id) SELECT id FROM new
)
INSERT INTO contact_methods (customer_id, method_type, phone_number, is_preferred)
SELECT id, method, number, method = 'whatsapp'
FROM new CROSS JOIN LATERAL (VALUES ('whatsapp', whatsapp), ('sms', phone), ('phone_call', phone)) AS w(method, number);
