-- The fix that was proposed for the legacy triggers: each checks that its table is there, inserts ON CONFLICT DO
-- NOTHING, and turns what fails into a warning.  The check is the cheapest there is.
CREATE OR REPLACE FUNCTION initialize_contact_preferences() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_regclass('contact_preferences') IS NOT NULL THEN
        INSERT INTO contact_preferences (customer_id) VALUES (NEW.id) ON CONFLICT (customer_id) DO NOTHING;
    END IF;
    RETURN NEW;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'could not initialize contact preferences of customer %: %', NEW.id, SQLERRM;
    RETURN NEW;
END
$$;

CREATE OR REPLACE FUNCTION update_contact_methods() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_regclass('contact_methods') IS NOT NULL THEN
        DELETE FROM contact_methods WHERE customer_id = NEW.id;

        IF NEW.whatsapp IS NOT NULL AND NEW.whatsapp <> '' THEN
            INSERT INTO contact_methods (customer_id, method_type, phone_number, is_preferred)
            VALUES (NEW.id, 'whatsapp', NEW.whatsapp, true)
            ON CONFLICT (customer_id, method_type) DO NOTHING;
        END IF;

        IF NEW.phone IS NOT NULL AND NEW.phone <> '' THEN
            INSERT INTO contact_methods (customer_id, method_type, phone_number)
            VALUES (NEW.id, 'sms', NEW.phone), (NEW.id, 'phone_call', NEW.phone)
            ON CONFLICT (customer_id, method_type) DO NOTHING;
        END IF;
    END IF;
    RETURN NEW;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'could not update contact methods of customer %: %', NEW.id, SQLERRM;
    RETURN NEW;
END
$$;

\ir legacy.sql
