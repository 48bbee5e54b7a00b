-- PL/pgSQL, statement-level with transition tables, tuned by hand: the same rules as contact_sync's and the owner's
-- rights; set-based statements; one exception block a statement, and none where no number changed.  It records no
-- failure, and one bad row costs all rows of the statement their contact data.
\ir tuned.sql

CREATE FUNCTION tuned_insert() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    INSERT INTO contact_preferences (customer_id) SELECT id FROM new_rows ON CONFLICT (customer_id) DO NOTHING;
    INSERT INTO contact_methods AS m (customer_id, method_type, phone_number, is_preferred)
    SELECT n.id, w.method, w.number, w.method = p.preferred_method
    FROM new_rows n
         CROSS JOIN LATERAL (VALUES ('whatsapp', public.plain_number(n.whatsapp)),
                                    ('sms', public.plain_number(n.phone)),
                                    ('phone_call', public.plain_number(n.phone))) AS w(method, number)
         JOIN contact_preferences p ON p.customer_id = n.id
    WHERE w.number IS NOT NULL
    ON CONFLICT (customer_id, method_type) DO UPDATE
    SET phone_number = excluded.phone_number, is_available = true, verification_status = 'unknown',
        last_verified = NULL, updated_at = now()
    WHERE m.phone_number <> excluded.phone_number;
    RETURN NULL;
EXCEPTION
    WHEN serialization_failure THEN
        RAISE;
    WHEN OTHERS THEN
        RAISE WARNING 'contact data of new customers is missing: %', SQLERRM;
        RETURN NULL;
END
$$;

CREATE FUNCTION tuned_update() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    wanted bigint;
    touched bigint;
BEGIN
    -- Outside the block: where no number changed there is no subtransaction. (EXISTS would plan for the first row and
    -- compare each row with each.)
    SELECT count(*) FILTER (WHERE n.whatsapp IS DISTINCT FROM o.whatsapp)
           + 2 * count(*) FILTER (WHERE n.phone IS DISTINCT FROM o.phone)
    INTO wanted
    FROM new_rows n JOIN old_rows o USING (id);
    IF wanted = 0 THEN
        RETURN NULL;
    END IF;

    BEGIN
        WITH change AS (
            SELECT n.id, w.method, w.number
            FROM new_rows n JOIN old_rows o USING (id)
                 CROSS JOIN LATERAL (VALUES ('whatsapp', public.plain_number(n.whatsapp), o.whatsapp, n.whatsapp),
                                            ('sms', public.plain_number(n.phone), o.phone, n.phone),
                                            ('phone_call', public.plain_number(n.phone), o.phone, n.phone))
                      AS w(method, number, before, after)
            WHERE w.before IS DISTINCT FROM w.after
        )
        UPDATE contact_methods AS m
        SET phone_number = change.number, is_available = true, verification_status = 'unknown', last_verified = NULL,
            updated_at = now()
        FROM change
        WHERE m.customer_id = change.id AND m.method_type = change.method AND m.phone_number <> change.number;
        GET DIAGNOSTICS touched = ROW_COUNT;

        -- Numbers that were not updated are there already, or new, or gone.
        IF touched < wanted THEN
            INSERT INTO contact_methods (customer_id, method_type, phone_number, is_preferred)
            SELECT n.id, w.method, w.number, w.method = coalesce(p.preferred_method, 'whatsapp')
            FROM new_rows n JOIN old_rows o USING (id)
                 CROSS JOIN LATERAL (VALUES ('whatsapp', public.plain_number(n.whatsapp), o.whatsapp, n.whatsapp),
                                            ('sms', public.plain_number(n.phone), o.phone, n.phone),
                                            ('phone_call', public.plain_number(n.phone), o.phone, n.phone))
                      AS w(method, number, before, after)
                 LEFT JOIN contact_preferences p ON p.customer_id = n.id
            WHERE w.before IS DISTINCT FROM w.after AND w.number IS NOT NULL
            ON CONFLICT (customer_id, method_type) DO NOTHING;

            DELETE FROM contact_methods AS m
            USING new_rows n
            WHERE m.customer_id = n.id
              AND CASE m.method_type WHEN 'whatsapp' THEN public.plain_number(n.whatsapp) IS NULL
                                     ELSE public.plain_number(n.phone) IS NULL END;
        END IF;
        RETURN NULL;
    EXCEPTION
        WHEN serialization_failure THEN
            RAISE;
        WHEN OTHERS THEN
            RAISE WARNING 'contact methods of changed customers are as they were: %', SQLERRM;
            RETURN NULL;
    END;
END
$$;

CREATE TRIGGER tuned_insert AFTER INSERT ON customers REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION tuned_insert();
CREATE TRIGGER tuned_update AFTER UPDATE ON customers REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION tuned_update();
