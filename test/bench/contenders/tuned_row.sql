-- PL/pgSQL, row-level, tuned by hand: the same rules as contact_sync's and the owner's rights; WHEN keeps it from being
-- called where no number changed; one exception block for all that a new customer needs.  It records no failure and
-- waits for locks as long as the session does.
\ir tuned.sql

CREATE FUNCTION tuned_insert() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
BEGIN
    WITH preferences AS (
        INSERT INTO contact_preferences (customer_id) VALUES (NEW.id) ON CONFLICT (customer_id) DO NOTHING
    )
    INSERT INTO contact_methods AS m (customer_id, method_type, phone_number, is_preferred)
    SELECT NEW.id, w.method, w.number,
           w.method = coalesce((SELECT preferred_method FROM contact_preferences WHERE customer_id = NEW.id),
                               'whatsapp')
    FROM (VALUES ('whatsapp', public.plain_number(NEW.whatsapp)), ('sms', public.plain_number(NEW.phone)),
                 ('phone_call', public.plain_number(NEW.phone))) AS w(method, number)
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
        RAISE WARNING 'contact data of customer % is missing: %', NEW.id, SQLERRM;
        RETURN NULL;
END
$$;

-- For the methods of one column, in TG_ARGV.
CREATE FUNCTION tuned_update() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
DECLARE
    methods text[] := TG_ARGV[1];
    number text := public.plain_number(CASE TG_ARGV[0] WHEN 'phone' THEN NEW.phone ELSE NEW.whatsapp END);
    touched bigint;
BEGIN
    IF number IS NULL THEN
        DELETE FROM contact_methods WHERE customer_id = NEW.id AND method_type = ANY (methods);
        RETURN NULL;
    END IF;
    UPDATE contact_methods
    SET phone_number = number, is_available = true, verification_status = 'unknown', last_verified = NULL,
        updated_at = now()
    WHERE customer_id = NEW.id AND method_type = ANY (methods) AND phone_number <> number;
    GET DIAGNOSTICS touched = ROW_COUNT;
    IF touched < cardinality(methods) THEN
        INSERT INTO contact_methods (customer_id, method_type, phone_number, is_preferred)
        SELECT NEW.id, method, number,
               method = coalesce((SELECT preferred_method FROM contact_preferences WHERE customer_id = NEW.id),
                                 'whatsapp')
        FROM unnest(methods) AS method
        ON CONFLICT (customer_id, method_type) DO NOTHING;
    END IF;
    RETURN NULL;
EXCEPTION
    WHEN serialization_failure THEN
        RAISE;
    WHEN OTHERS THEN
        RAISE WARNING 'contact methods of customer % are as they were: %', NEW.id, SQLERRM;
        RETURN NULL;
END
$$;

CREATE TRIGGER tuned_insert AFTER INSERT ON customers FOR EACH ROW EXECUTE FUNCTION tuned_insert();
CREATE TRIGGER tuned_update_phone AFTER UPDATE ON customers FOR EACH ROW
    WHEN (NEW.phone IS DISTINCT FROM OLD.phone) EXECUTE FUNCTION tuned_update('phone', '{sms,phone_call}');
CREATE TRIGGER tuned_update_whatsapp AFTER UPDATE ON customers FOR EACH ROW
    WHEN (NEW.whatsapp IS DISTINCT FROM OLD.whatsapp) EXECUTE FUNCTION tuned_update('whatsapp', '{whatsapp}');
