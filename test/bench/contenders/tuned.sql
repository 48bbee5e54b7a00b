-- What both hand-tuned versions share.

-- A number without white space at both ends, null where nothing is left.
CREATE FUNCTION plain_number(text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT nullif(btrim($1, E' \t\n\r\f\x0B'), '')
$$;

CREATE FUNCTION tuned_fill() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF plain_number(NEW.phone) IS NULL THEN
        NEW.phone := NEW.whatsapp;
    ELSE
        NEW.whatsapp := NEW.phone;
    END IF;
    RETURN NEW;
END
$$;

-- Called for no other rows but those with one number to fill.
CREATE TRIGGER tuned_fill_new BEFORE INSERT ON customers FOR EACH ROW
    WHEN ((plain_number(NEW.phone) IS NULL) <> (plain_number(NEW.whatsapp) IS NULL))
    EXECUTE FUNCTION tuned_fill();
CREATE TRIGGER tuned_fill_changed BEFORE UPDATE OF phone, whatsapp ON customers FOR EACH ROW
    WHEN ((plain_number(NEW.phone) IS NULL) <> (plain_number(NEW.whatsapp) IS NULL)
          AND (NEW.phone IS DISTINCT FROM OLD.phone OR NEW.whatsapp IS DISTINCT FROM OLD.whatsapp))
    EXECUTE FUNCTION tuned_fill();
