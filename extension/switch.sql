
-- disable, enable, detach: the triggers off, on again, and away. disable and enable serve the legacy triggers of a
-- database that was never attached as well.

CREATE FUNCTION contact_sync_internal.switchable(customers regclass)
RETURNS TABLE (table_name regclass, trigger_name name, state "char", ours boolean, clone boolean)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    kind "char";
    partition boolean;
BEGIN
    SELECT relkind, relispartition INTO kind, partition FROM pg_class WHERE oid = customers::oid;
    IF kind IS NULL THEN
        RAISE EXCEPTION 'there is no customers table to work on'
            USING ERRCODE = 'undefined_table',
                  HINT = 'Name it with its schema, as in contact_sync.disable(''public.customers'').';
    ELSIF kind NOT IN ('r', 'p') THEN
        RAISE EXCEPTION '"%" is not a table', contact_sync_internal.plain_name(customers)
            USING ERRCODE = 'wrong_object_type', HINT = 'Name the table that has the triggers.';
    ELSIF partition THEN
        RAISE EXCEPTION '"%" is a partition', contact_sync_internal.plain_name(customers)
            USING ERRCODE = 'wrong_object_type',
                  HINT = format('Name the table it is part of, %s.', pg_partition_root(customers));
    END IF;

    RETURN QUERY
        SELECT t.relation::regclass, t.name, t.state, t.ours, t.clone
        FROM contact_sync_internal.sync_triggers(customers::oid) t
        ORDER BY t.clone, t.relation <> customers::oid, t.relation::regclass::text, t.name;
END
$$;
COMMENT ON FUNCTION contact_sync_internal.switchable(regclass) IS
    'the triggers that disable, enable and detach are about: parents first, clones after them';

CREATE FUNCTION contact_sync_internal.switch(customers regclass, action text)
RETURNS TABLE (table_name regclass, trigger_name name)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    found_any boolean := false;
    target record;
BEGIN
    FOR target IN SELECT * FROM contact_sync_internal.switchable(customers) LOOP
        found_any := true;
        -- Clones follow their parent; so only what is still in the other state is touched. ALWAYS and REPLICA are
        -- states that somebody chose: enable leaves them.
        IF EXISTS (SELECT FROM pg_trigger t
                   WHERE t.tgrelid = target.table_name::oid AND t.tgname = target.trigger_name
                     AND (t.tgenabled = 'D') = (action = 'ENABLE')) THEN
            PERFORM contact_sync_internal.execute(format('ALTER TABLE %s %s TRIGGER %I', target.table_name, action, target.trigger_name));
            table_name := target.table_name;
            trigger_name := target.trigger_name;
            RETURN NEXT;
        END IF;
    END LOOP;
    IF NOT found_any THEN
        RAISE EXCEPTION 'there are no triggers on "%" that keep contact data', contact_sync_internal.plain_name(customers)
            USING ERRCODE = 'undefined_object',
                  HINT = 'contact_sync.attach puts them there; contact_sync.verify tells what is missing.';
    END IF;
END
$$;
COMMENT ON FUNCTION contact_sync_internal.switch(regclass, text) IS 'ENABLE or DISABLE for the triggers that keep contact data';

CREATE FUNCTION contact_sync.disable(customers regclass DEFAULT pg_catalog.to_regclass('customers'))
RETURNS TABLE (table_name regclass, trigger_name name)
AS 'MODULE_PATHNAME', 'run_as_owner' LANGUAGE C;
COMMENT ON FUNCTION contact_sync.disable(regclass) IS
    'disables the triggers that keep contact data, ours and legacy ones, and returns those it disabled';

CREATE FUNCTION contact_sync_internal.disable_as_owner(customers regclass)
RETURNS TABLE (table_name regclass, trigger_name name)
LANGUAGE sql SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
    SELECT * FROM contact_sync_internal.switch(customers, 'DISABLE'::text)
$$;
COMMENT ON FUNCTION contact_sync_internal.disable_as_owner(regclass) IS
    'contact_sync.disable, run as the owner of customers';

CREATE FUNCTION contact_sync.enable(customers regclass DEFAULT pg_catalog.to_regclass('customers'))
RETURNS TABLE (table_name regclass, trigger_name name)
AS 'MODULE_PATHNAME', 'run_as_owner' LANGUAGE C;
COMMENT ON FUNCTION contact_sync.enable(regclass) IS
    'enables the triggers that keep contact data, ours and legacy ones, and returns those it enabled';

CREATE FUNCTION contact_sync_internal.enable_as_owner(customers regclass)
RETURNS TABLE (table_name regclass, trigger_name name)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    obstacles text;
    drifted bigint;
BEGIN
    -- Counted before customers is locked. Where it cannot be told, the triggers are enabled all the same.
    IF EXISTS (SELECT FROM contact_sync_internal.switchable(customers)) THEN
        obstacles := contact_sync_internal.obstacles(
            customers, contact_sync_internal.describe(customers, NULL::name, NULL::name, NULL::name), false);
        IF obstacles IS NOT NULL THEN
            RAISE NOTICE 'how many customers of "%" drifted meanwhile cannot be told', contact_sync_internal.plain_name(customers)
                USING DETAIL = obstacles, HINT = 'contact_sync.verify shows what is wrong.';
        ELSE
            SELECT count(DISTINCT d.customer) INTO drifted
            FROM contact_sync_internal.drift_as_owner(customers, NULL::name, NULL::name, NULL::name) d WHERE d.kind <> 'orphan';
            IF drifted > 0 THEN
                RAISE NOTICE 'customers of "%" whose contact data drifted meanwhile: %',
                             contact_sync_internal.plain_name(customers), drifted
                    USING HINT = format('CALL contact_sync.reconcile(%L) mends it; contact_sync.drift shows it.',
                                        customers::text);
            END IF;
        END IF;
    END IF;

    RETURN QUERY SELECT * FROM contact_sync_internal.switch(customers, 'ENABLE'::text);
END
$$;
COMMENT ON FUNCTION contact_sync_internal.enable_as_owner(regclass) IS
    'contact_sync.enable, run as the owner of customers';

CREATE FUNCTION contact_sync.detach(customers regclass DEFAULT pg_catalog.to_regclass('customers'))
RETURNS TABLE (table_name regclass, trigger_name name)
AS 'MODULE_PATHNAME', 'run_as_owner' LANGUAGE C;
COMMENT ON FUNCTION contact_sync.detach(regclass) IS
    'drops our triggers on customers and on the contact tables, and returns them; data, keys and policies stay';

CREATE FUNCTION contact_sync_internal.detach_as_owner(customers regclass)
RETURNS TABLE (table_name regclass, trigger_name name)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    target record;
BEGIN
    -- The contact tables' triggers too, unless they serve other customers beside these: nothing is left then that needs
    -- the extension. Data, keys and policies stay.
    FOR target IN
        SELECT s.table_name, s.trigger_name FROM contact_sync_internal.switchable(customers) s WHERE s.ours AND NOT s.clone
        UNION ALL
        SELECT t.tgrelid::regclass, t.tgname
        FROM contact_sync_internal.contact_tables(contact_sync_internal.describe(customers, NULL::name, NULL::name, NULL::name)) c
             JOIN pg_trigger t ON t.tgrelid = c.relation AND t.tgparentid = 0 AND NOT t.tgisinternal
        WHERE contact_sync_internal.is_ours(t.tgfoid)
          AND NOT EXISTS (SELECT FROM pg_class other JOIN pg_class mine ON mine.oid = customers::oid
                          WHERE other.relnamespace = mine.relnamespace
                            AND other.oid NOT IN (SELECT s.table_name::oid FROM contact_sync_internal.switchable(customers) s)
                            AND EXISTS (SELECT FROM contact_sync_internal.sync_triggers(other.oid) o WHERE o.ours))
    LOOP
        PERFORM contact_sync_internal.execute(format('DROP TRIGGER %I ON %s', target.trigger_name, target.table_name));
        table_name := target.table_name;
        trigger_name := target.trigger_name;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION contact_sync_internal.detach_as_owner(regclass) IS
    'contact_sync.detach, run as the owner of customers';
