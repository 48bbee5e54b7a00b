WITH changed AS (
    UPDATE customers SET phone = '3' || substr(phone, 2) RETURNING id, phone
)
UPDATE contact_methods AS m
SET phone_number = c.phone, is_available = true, verification_status = 'unknown', last_verified = NULL,
    updated_at = now()
FROM changed c
WHERE m.customer_id = c.id AND m.method_type IN ('sms', 'phone_call') AND m.phone_number <> c.phone;
