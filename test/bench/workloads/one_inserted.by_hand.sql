\set phone random(30000000, 99999999)
WITH new AS (
    INSERT INTO customers (name, phone, whatsapp, email, city)
    VALUES ('New', :phone, :phone, 'new@example.com', 'Arusha') RETURNING id, phone, whatsapp
), preferences AS (
    INSERT INTO contact_preferences (customer_id) SELECT id FROM new
)
INSERT INTO contact_methods (customer_id, method_type, phone_number, is_preferred)
SELECT id, method, number, method = 'whatsapp'
FROM new CROSS JOIN LATERAL (VALUES ('whatsapp', whatsapp), ('sms', phone), ('phone_call', phone)) AS w(method, number);
