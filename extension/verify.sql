
-- verify: every check, and with it what attach would do. Compiling its queries takes far longer than running them.

CREATE FUNCTION contact_sync.verify(
    customers regclass DEFAULT pg_catalog.to_regclass('customers'),
    id_column name DEFAULT NULL, phone_column name DEFAULT NULL, whatsapp_column name DEFAULT NULL,
    rls text DEFAULT 'inherit')
RETURNS TABLE (check_name text, object text, status text, problem text, fix text)
AS 'MODULE_PATHNAME', 'run_as_owner' LANGUAGE C STABLE;
COMMENT ON FUNCTION contact_sync.verify(regclass, name, name, name, text) IS
    'checks a customers table and its contact tables: one row a check, with the SQL that mends what attach can mend';

CREATE FUNCTION contact_sync_internal.verify_as_owner(
    customers regclass, id_column name, phone_column name, whatsapp_column name, rls text)
RETURNS TABLE (check_name text, object text, status text, problem text, fix text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
    -- What is there is compared by its text, and with patterns that have backslashes.
    SET quote_all_identifiers = off SET standard_conforming_strings = on
AS $$
DECLARE
    s contact_sync_internal.shape;
BEGIN
    IF rls IS NULL OR rls NOT IN ('inherit', 'keep') THEN
        RAISE EXCEPTION 'invalid value for parameter rls: %', coalesce(quote_literal(rls), 'null')
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'It is ''inherit'' (contact tables follow the policies of customers) or ''keep''.';
    END IF;
    s := contact_sync_internal.describe(customers, id_column, phone_column, whatsapp_column);

    RETURN QUERY SELECT * FROM contact_sync_internal.check_customers(customers, s);

    -- Without a table and its key there is nothing to say of the rest.
    IF EXISTS (SELECT FROM contact_sync_internal.check_customers(customers, s) c
               WHERE c.check_name IN ('customers_table', 'customers_key') AND c.status = 'blocked') THEN
        RETURN;
    END IF;

    RETURN QUERY SELECT * FROM contact_sync_internal.check_citus(s);
    RETURN QUERY SELECT * FROM contact_sync_internal.check_privileges(s);
    -- Locks last until the transaction ends: the contact tables come first, what locks customers comes last.
    RETURN QUERY SELECT * FROM contact_sync_internal.check_quarantine(s);
    RETURN QUERY SELECT * FROM contact_sync_internal.check_tables(s);
    RETURN QUERY SELECT * FROM contact_sync_internal.check_values(s);
    RETURN QUERY SELECT * FROM contact_sync_internal.check_required_columns(s);
    RETURN QUERY SELECT * FROM contact_sync_internal.check_unique_indexes(s);
    RETURN QUERY SELECT * FROM contact_sync_internal.check_policies(s, rls);
    RETURN QUERY SELECT * FROM contact_sync_internal.check_foreign_keys(s);
    RETURN QUERY SELECT * FROM contact_sync_internal.check_triggers(s);
    RETURN QUERY SELECT * FROM contact_sync_internal.check_advice(s, rls);
    RETURN QUERY SELECT * FROM contact_sync_internal.check_search_path(s);
    RETURN QUERY SELECT * FROM contact_sync_internal.check_contact_data(customers, s);
    RETURN QUERY SELECT * FROM contact_sync_internal.check_unwanted(s);
    RETURN QUERY SELECT * FROM contact_sync_internal.check_failures(s);
END
$$;
COMMENT ON FUNCTION contact_sync_internal.verify_as_owner(regclass, name, name, name, text) IS
    'contact_sync.verify, run as the owner of customers';
