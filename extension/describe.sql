
-- What there is: a customers table with every name resolved once, its contact tables, its triggers. The administrative
-- functions all look at the catalogs through these.
--
-- All functions are SECURITY INVOKER with a search_path of their own, so that names that the catalogs deparse come out
-- qualified, and hand each other values of exactly the declared types.

CREATE TYPE contact_sync_internal.shape AS (
    customers oid,
    name text,                      -- as SQL, with its schema
    relation_name name,
    schema_name name,
    schema oid,
    kind "char",
    persistence "char",
    owner oid,
    row_security boolean,
    inherited boolean,              -- it has inheritance children
    id_column name,
    phone_column name,
    whatsapp_column name,
    sources text[],                 -- who named id, phone, whatsapp: caller, trigger or, where nobody did, default
    id smallint,                    -- the columns' numbers, null where rows hold no such column
    phone smallint,
    whatsapp smallint,
    id_type text,                   -- as SQL, with modifier and collation
    id_equality text,               -- as SQL: the operator of the unique index on id, null without such an index
    arguments text                  -- as SQL: what is passed to the triggers
);
COMMENT ON TYPE contact_sync_internal.shape IS 'a customers table and its columns, all names resolved';

CREATE FUNCTION contact_sync_internal.is_ours(function oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (
        SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
        WHERE d.classid = 'pg_proc'::regclass AND d.objid = function AND d.deptype = 'e'
          AND d.refclassid = 'pg_extension'::regclass AND e.extname = 'contact_sync')
$$;
COMMENT ON FUNCTION contact_sync_internal.is_ours(oid) IS 'whether a function belongs to the extension contact_sync';

CREATE FUNCTION contact_sync_internal.plain_name(relation oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('%s.%s', n.nspname, c.relname)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = relation
$$;
COMMENT ON FUNCTION contact_sync_internal.plain_name(oid) IS
    'a table''s name with its schema, as messages have it in double quotes';

CREATE FUNCTION contact_sync_internal.trigger_arguments(arguments bytea) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    -- pg_trigger.tgargs: each argument ends with a zero byte.
    SELECT coalesce(array_agg(convert_from(substring(arguments FROM first + 1 FOR ending - first),
                                           getdatabaseencoding()) ORDER BY ending), '{}')
    FROM (SELECT ending, lag(ending + 1, 1, 0) OVER (ORDER BY ending) AS first
          FROM generate_series(0, length(arguments) - 1) AS ending
          WHERE get_byte(arguments, ending) = 0) AS byte
$$;
COMMENT ON FUNCTION contact_sync_internal.trigger_arguments(bytea) IS 'the arguments of a trigger, from pg_trigger.tgargs';

CREATE FUNCTION contact_sync_internal.base_type(INOUT type oid, INOUT modifier integer, OUT width integer)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE base(type, modifier, kind, depth) AS (
        SELECT t.oid, base_type.modifier, t.typtype, 0
        FROM pg_type t WHERE t.oid = base_type.type
        UNION ALL
        SELECT t.oid, CASE WHEN base.modifier >= 0 THEN base.modifier ELSE domain.typtypmod END, t.typtype, depth + 1
        FROM base JOIN pg_type domain ON domain.oid = base.type
                  JOIN pg_type t ON t.oid = domain.typbasetype
        WHERE base.kind = 'd'
    )
    SELECT base.type, base.modifier,
           CASE WHEN base.type IN ('varchar'::regtype, 'bpchar'::regtype) AND base.modifier >= 4 THEN base.modifier - 4 END
    FROM base ORDER BY depth DESC LIMIT 1
$$;
COMMENT ON FUNCTION contact_sync_internal.base_type(oid, integer) IS
    'the type below any domains, and how many characters its text can have (null: any number)';

CREATE FUNCTION contact_sync_internal.is_enforced(constraint_id oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    -- The column is there since PostgreSQL 18.
    SELECT to_jsonb(k) ->> 'conenforced' IS DISTINCT FROM 'false' FROM pg_constraint k WHERE k.oid = constraint_id
$$;
COMMENT ON FUNCTION contact_sync_internal.is_enforced(oid) IS 'whether rows have to satisfy a constraint: it is not NOT ENFORCED';

CREATE FUNCTION contact_sync_internal.type_name(type oid, modifier integer) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    -- format_type leaves the schema off what pg_catalog holds. The grammar's own names (character varying, bigint, ...)
    -- need none and take none; the others mean the same under every search_path only with it.
    SELECT CASE WHEN t.typnamespace = 'pg_catalog'::regnamespace AND format_type(t.oid, NULL) = quote_ident(t.typname)
                THEN 'pg_catalog.' ELSE '' END || format_type(t.oid, modifier)
    FROM pg_type t WHERE t.oid = type
$$;
COMMENT ON FUNCTION contact_sync_internal.type_name(oid, integer) IS 'a type as SQL that no search_path can change';

CREATE FUNCTION contact_sync_internal.count_rows(query text) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET jit = off
AS $$
DECLARE
    answer bigint;
BEGIN
    SELECT r.counted INTO answer FROM contact_sync_internal.query(query) AS r(counted bigint);
    RETURN answer;
EXCEPTION WHEN insufficient_privilege THEN
    RETURN NULL;                -- the schema's USAGE, or a privilege that the owner revoked from itself
END
$$;
COMMENT ON FUNCTION contact_sync_internal.count_rows(text) IS
    'what a query counts, null where the current user may not read it';

CREATE FUNCTION contact_sync_internal.holds_rows(relation oid) RETURNS boolean
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(contact_sync_internal.count_rows(
        format('SELECT count(*) FROM (SELECT 1 FROM %s LIMIT 1) AS one', relation::regclass)) > 0, true)
$$;
COMMENT ON FUNCTION contact_sync_internal.holds_rows(oid) IS
    'whether a table holds rows, true where the current user cannot tell';

CREATE FUNCTION contact_sync_internal.family(relation oid) RETURNS SETOF oid
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE family(relation) AS (
        SELECT family.relation
        UNION
        SELECT i.inhrelid FROM pg_inherits i JOIN family ON i.inhparent = family.relation
    )
    SELECT f.relation FROM family AS f
$$;
COMMENT ON FUNCTION contact_sync_internal.family(oid) IS 'a table, its partitions and inheritance children, at any depth';

CREATE FUNCTION contact_sync_internal.sync_triggers(customers oid)
RETURNS TABLE (relation oid, trigger oid, name name, function name, ours boolean, clone boolean, state "char",
               type smallint, has_transition_tables boolean, plain boolean, arguments text[])
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH family(relation) AS (
        SELECT * FROM contact_sync_internal.family(customers)
    )
    SELECT t.tgrelid, t.oid, t.tgname, f.proname, contact_sync_internal.is_ours(f.oid), t.tgparentid <> 0, t.tgenabled, t.tgtype,
           num_nonnulls(t.tgoldtable, t.tgnewtable) > 0,
           t.tgqual IS NULL AND t.tgattr = '' AND t.tgconstraint = 0,
           contact_sync_internal.trigger_arguments(t.tgargs)
    FROM family
         JOIN pg_trigger t ON t.tgrelid = family.relation AND (NOT t.tgisinternal OR t.tgparentid <> 0)
         JOIN pg_proc f ON f.oid = t.tgfoid
    WHERE f.proname IN ('sync_contact_numbers', 'initialize_contact_preferences', 'update_contact_methods')
$$;
COMMENT ON FUNCTION contact_sync_internal.sync_triggers(oid) IS
    'the triggers that keep contact data, ours and legacy ones, on a table, its partitions and inheritance children';

CREATE FUNCTION contact_sync_internal.shape_of(
    customers regclass, id_column name, phone_column name, whatsapp_column name)
RETURNS contact_sync_internal.shape
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH passed(names) AS (
        -- What our triggers are for, of several the one that says most.
        SELECT arguments FROM contact_sync_internal.sync_triggers(customers::oid)
        WHERE ours AND NOT clone
        ORDER BY relation = customers::oid DESC, cardinality(array_remove(arguments, '')) DESC,
                 function = 'update_contact_methods' DESC, function = 'sync_contact_numbers' DESC, name
        LIMIT 1
    ), named AS (
        SELECT array_agg(name ORDER BY position) AS names, array_agg(source ORDER BY position) AS sources
        FROM (SELECT c.position, coalesce(c.asked, nullif(p.name, '')::name, c.usual) AS name,
                     CASE WHEN c.asked IS NOT NULL THEN 'caller' WHEN p.name <> '' THEN 'trigger' ELSE 'default' END
              FROM (VALUES (1, 'id'::name, id_column), (2, 'phone', phone_column), (3, 'whatsapp', whatsapp_column))
                   AS c(position, usual, asked)
                   LEFT JOIN LATERAL (SELECT names[c.position] FROM passed) AS p(name) ON true
             ) AS c(position, name, source)
    ), key AS (
        -- The index a foreign key can refer to; it also says what equality of ids is.
        SELECT DISTINCT ON (i.indrelid)
               format('OPERATOR(%s.%s)', o.oprnamespace::regnamespace, o.oprname) AS equality
        FROM named
             JOIN pg_attribute a ON a.attrelid = customers::oid AND a.attname = named.names[1]
                                    AND a.attnum > 0 AND NOT a.attisdropped
             JOIN pg_index i ON i.indrelid = customers::oid AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum
             JOIN pg_opclass c ON c.oid = i.indclass[0]
             JOIN pg_amop s ON s.amopfamily = c.opcfamily AND s.amopstrategy = 3
                               AND s.amoplefttype = c.opcintype AND s.amoprighttype = c.opcintype
             JOIN pg_operator o ON o.oid = s.amopopr
        WHERE i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
        ORDER BY i.indrelid, i.indisprimary DESC, i.indexrelid
    )
    SELECT c.oid, format('%I.%I', n.nspname, c.relname), c.relname, n.nspname, n.oid, c.relkind, c.relpersistence,
           c.relowner, c.relrowsecurity,
           c.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid),
           named.names[1], named.names[2], named.names[3], named.sources,
           id.attnum, CASE WHEN phone.attgenerated <> 'v' THEN phone.attnum END,
           CASE WHEN whatsapp.attgenerated <> 'v' THEN whatsapp.attnum END,
           contact_sync_internal.type_name(id.atttypid, id.atttypmod)
               || CASE WHEN id.attcollation <> id_type.typcollation
                       THEN (SELECT format(' COLLATE %I.%I', nspname, collname)
                             FROM pg_collation JOIN pg_namespace ON pg_namespace.oid = collnamespace
                             WHERE pg_collation.oid = id.attcollation)
                       ELSE '' END,
           (SELECT equality FROM key),
           -- All that exist, by name: so a column that is dropped or renamed later is missed. One that does not exist, and
           -- that nobody named, is '', or left off at the end.
           (SELECT string_agg(quote_literal(CASE WHEN a.known THEN a.name ELSE '' END), ', ' ORDER BY a.position)
            FROM (SELECT c.*, max(c.position) FILTER (WHERE c.known) OVER () AS last
                  FROM (VALUES (1, named.names[1], id.attnum IS NOT NULL OR named.sources[1] <> 'default'),
                               (2, named.names[2], phone.attnum IS NOT NULL OR named.sources[2] <> 'default'),
                               (3, named.names[3], whatsapp.attnum IS NOT NULL OR named.sources[3] <> 'default'))
                       AS c(position, name, known)) AS a
            WHERE a.position <= a.last)
    FROM named
         JOIN pg_class c ON c.oid = customers::oid
         JOIN pg_namespace n ON n.oid = c.relnamespace
         LEFT JOIN pg_attribute id ON id.attrelid = c.oid AND id.attname = named.names[1]
                                      AND id.attnum > 0 AND NOT id.attisdropped
         LEFT JOIN pg_type id_type ON id_type.oid = id.atttypid
         LEFT JOIN pg_attribute phone ON phone.attrelid = c.oid AND phone.attname = named.names[2]
                                         AND phone.attnum > 0 AND NOT phone.attisdropped
         LEFT JOIN pg_attribute whatsapp ON whatsapp.attrelid = c.oid AND whatsapp.attname = named.names[3]
                                            AND whatsapp.attnum > 0 AND NOT whatsapp.attisdropped
$$;
COMMENT ON FUNCTION contact_sync_internal.shape_of(regclass, name, name, name) IS
    'a customers table with all names resolved; columns that the caller does not name are those in our triggers'' arguments';

CREATE FUNCTION contact_sync_internal.describe(
    customers regclass, id_column name, phone_column name, whatsapp_column name)
RETURNS contact_sync_internal.shape
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    s contact_sync_internal.shape :=
        contact_sync_internal.shape_of(customers, id_column, phone_column, whatsapp_column);
BEGIN
    -- What the administrative functions meet of the owner's code must run as the owner.
    IF s.owner <> current_user::regrole THEN
        RAISE EXCEPTION 'must be owner of table "%"', contact_sync_internal.plain_name(s.customers)
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'Call the function of the same name in schema contact_sync.';
    END IF;
    RETURN s;
END
$$;
COMMENT ON FUNCTION contact_sync_internal.describe(regclass, name, name, name) IS
    'shape_of, for the owner of the table alone';

CREATE FUNCTION contact_sync_internal.method_types() RETURNS TABLE (method text, number text)
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
    VALUES ('whatsapp', 'whatsapp'), ('sms', 'phone'), ('phone_call', 'phone')
$$;
COMMENT ON FUNCTION contact_sync_internal.method_types() IS
    'what a customer''s methods are, each with whether its number is phone or whatsapp';

CREATE FUNCTION contact_sync_internal.methods_of(s contact_sync_internal.shape)
RETURNS TABLE (method text, number text, column_name name)
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
    -- A missing column is not an empty number.
    SELECT m.method, m.number, CASE m.number WHEN 'phone' THEN s.phone_column ELSE s.whatsapp_column END
    FROM contact_sync_internal.method_types() m
    WHERE CASE m.number WHEN 'phone' THEN s.phone ELSE s.whatsapp END IS NOT NULL
$$;
COMMENT ON FUNCTION contact_sync_internal.methods_of(contact_sync_internal.shape) IS
    'the methods that a customer''s columns are for';

CREATE FUNCTION contact_sync_internal.contact_tables(s contact_sync_internal.shape)
RETURNS TABLE ("position" integer, table_name name, name text, relation oid, kind "char", persistence "char", owner oid,
               usable boolean, row_security boolean, unique_key name[], comment text, created boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT wanted.position, wanted.table_name, quote_ident(s.schema_name) || '.' || wanted.table_name,
           c.oid, c.relkind, c.relpersistence, c.relowner,
           -- Another owner's table is neither read nor written: whatever it runs would run with our rights.
           c.relkind IN ('r', 'p') AND c.relowner = s.owner IS TRUE, c.relrowsecurity, wanted.unique_key, wanted.comment,
           -- What attach created has its comment; whoever gives the table another takes it out of our hands.
           obj_description(c.oid, 'pg_class') = wanted.comment IS TRUE
    FROM (VALUES (1, 'contact_preferences'::name, '{customer_id}'::name[],
                  'how each customer wants to be contacted'),
                 (2, 'contact_methods', '{customer_id, method_type}',
                  'the numbers each customer can be contacted at'),
                 (3, 'contact_history', NULL,
                  'when and how each customer was contacted')) AS wanted(position, table_name, unique_key, comment)
         LEFT JOIN pg_class c ON c.relnamespace = s.schema AND c.relname = wanted.table_name
    ORDER BY wanted.position
$$;
COMMENT ON FUNCTION contact_sync_internal.contact_tables(contact_sync_internal.shape) IS
    'the contact tables of a customers table: those in its schema, with nulls for what is missing';

CREATE FUNCTION contact_sync_internal.contact_columns(s contact_sync_internal.shape)
RETURNS TABLE (table_name name, "position" integer, column_name name, type text, default_value text, constraints text,
               needed boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH copied(type) AS (
        -- varchar(20), as ever, where every number of the customer fits.
        SELECT CASE WHEN bool_and(coalesce(base.width, 21) <= 20)
                    THEN 'character varying(20)' ELSE 'pg_catalog.text' END
        FROM pg_attribute a, contact_sync_internal.base_type(a.atttypid, a.atttypmod) AS base
        WHERE a.attrelid = s.customers AND a.attnum IN (s.phone, s.whatsapp)
    ), known(methods) AS (
        SELECT string_agg(quote_literal(method), ', ') FROM contact_sync_internal.method_types()
    ), wanted(table_name, column_name, type, default_value, constraints, needed) AS (VALUES
        ('contact_preferences', 'id', 'pg_catalog.uuid', 'pg_catalog.gen_random_uuid()', 'PRIMARY KEY', false),
        ('contact_preferences', 'customer_id', s.id_type, NULL, 'NOT NULL', true),
        ('contact_preferences', 'preferred_method', 'character varying(20)', '''whatsapp''',
            (SELECT format('CHECK (preferred_method IN (%s))', methods) FROM known), false),
        ('contact_preferences', 'whatsapp_enabled', 'boolean', 'true', NULL, false),
        ('contact_preferences', 'sms_enabled', 'boolean', 'true', NULL, false),
        ('contact_preferences', 'phone_call_enabled', 'boolean', 'true', NULL, false),
        ('contact_preferences', 'quiet_hours', 'pg_catalog.jsonb',
            '''{"enabled": false, "start": "22:00", "end": "08:00"}''', NULL, false),
        ('contact_preferences', 'language', 'character varying(10)', '''en''', 'CHECK (language IN (''en'', ''sw''))',
            false),
        ('contact_preferences', 'created_at', 'timestamp with time zone', 'pg_catalog.now()', NULL, false),
        ('contact_preferences', 'updated_at', 'timestamp with time zone', 'pg_catalog.now()', NULL, false),

        ('contact_methods', 'id', 'pg_catalog.uuid', 'pg_catalog.gen_random_uuid()', 'PRIMARY KEY', false),
        ('contact_methods', 'customer_id', s.id_type, NULL, 'NOT NULL', true),
        ('contact_methods', 'method_type', 'character varying(20)', NULL,
            (SELECT format('NOT NULL CHECK (method_type IN (%s))', methods) FROM known), true),
        ('contact_methods', 'phone_number', (SELECT type FROM copied), NULL, 'NOT NULL', true),
        ('contact_methods', 'is_available', 'boolean', 'true', NULL, false),
        ('contact_methods', 'is_preferred', 'boolean', 'false', NULL, false),
        ('contact_methods', 'last_verified', 'timestamp with time zone', NULL, NULL, false),
        ('contact_methods', 'verification_status', 'character varying(20)', '''unknown''',
            'CHECK (verification_status IN (''verified'', ''unverified'', ''unknown'', ''failed''))', false),
        ('contact_methods', 'created_at', 'timestamp with time zone', 'pg_catalog.now()', NULL, false),
        ('contact_methods', 'updated_at', 'timestamp with time zone', 'pg_catalog.now()', NULL, false),

        -- customer_id may be null: a call from an unknown number.
        ('contact_history', 'id', 'pg_catalog.uuid', 'pg_catalog.gen_random_uuid()', 'PRIMARY KEY', false),
        ('contact_history', 'customer_id', s.id_type, NULL, NULL, false),
        ('contact_history', 'method', 'character varying(20)', NULL,
            (SELECT format('NOT NULL CHECK (method IN (%s))', methods) FROM known), false),
        ('contact_history', 'type', 'character varying(20)', NULL, 'NOT NULL CHECK (type IN (''message'', ''call''))',
            false),
        ('contact_history', 'status', 'character varying(20)', NULL,
            'NOT NULL CHECK (status IN (''sent'', ''delivered'', ''read'', ''failed'', ''answered'', ''missed''))',
            false),
        ('contact_history', 'timestamp', 'timestamp with time zone', 'pg_catalog.now()', NULL, false),
        ('contact_history', 'content', 'pg_catalog.text', NULL, NULL, false),
        ('contact_history', 'duration', 'integer', NULL, NULL, false),
        ('contact_history', 'created_at', 'timestamp with time zone', 'pg_catalog.now()', NULL, false)
    )
    SELECT table_name::name, row_number() OVER ()::integer, column_name::name, type, default_value, constraints, needed
    FROM wanted
$$;
COMMENT ON FUNCTION contact_sync_internal.contact_columns(contact_sync_internal.shape) IS
    'the columns of the contact tables, as SQL; the sync cannot do without those that are needed';
