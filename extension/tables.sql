
-- Checks of the contact tables: their kind, owner, columns, keys, code, and the grants of those that are missing.
-- The foreign keys stand apart: they lock the customers table, and whatever does comes last.

CREATE FUNCTION @extschema@.creation(s @extschema@.shape, contact_table name) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH definition AS (
        SELECT string_agg(concat_ws(' ', E'\n   ', quote_ident(column_name), type, 'DEFAULT ' || default_value,
                                    constraints), ',' ORDER BY position) AS columns
        FROM @extschema@.contact_columns(s) WHERE table_name = contact_table
    ), receiver(name) AS (
        -- Default privileges of the role that creates the table may hand it to anybody.
        SELECT DISTINCT quote_ident(role.rolname)
        FROM pg_default_acl d CROSS JOIN LATERAL aclexplode(d.defaclacl) a JOIN pg_roles role ON role.oid = a.grantee
        WHERE d.defaclobjtype = 'r' AND d.defaclnamespace IN (0, s.schema)
          AND d.defaclrole = (SELECT oid FROM pg_roles WHERE rolname = current_user)
          AND role.oid NOT IN (d.defaclrole, s.owner)
    )
    SELECT concat_ws(E'\n',
        -- Rows whose number changes stay where they are and their indexes untouched, if the page has room for both
        -- versions of all of them.
        format(E'CREATE %sTABLE %s (%s%s\n)%s;', CASE s.persistence WHEN 'u' THEN 'UNLOGGED ' ELSE '' END, t.name,
               definition.columns, E',\n    UNIQUE (' || array_to_string(t.unique_key, ', ') || ')', storage.options),
        format('REVOKE ALL ON TABLE %s FROM %s;', t.name,
               concat_ws(', ', 'PUBLIC', (SELECT string_agg(name, ', ' ORDER BY name) FROM receiver))),
        CASE WHEN t.table_name = 'contact_history'
             THEN format('CREATE INDEX ON %s (customer_id, "timestamp");', t.name) END,
        (SELECT format('ALTER TABLE %s OWNER TO %I;', t.name, rolname)
         FROM pg_roles WHERE oid = s.owner AND rolname <> current_user),
        format('COMMENT ON TABLE %s IS %L;', t.name, storage.comment))
    FROM definition, @extschema@.contact_tables(s) t
         JOIN (VALUES ('contact_preferences', '', 'how each customer wants to be contacted'),
                      ('contact_methods', ' WITH (fillfactor = 50)', 'the numbers each customer can be contacted at'),
                      ('contact_history', '', 'when and how each customer was contacted'))
              AS storage(table_name, options, comment) ON storage.table_name = t.table_name
    WHERE t.table_name = contact_table
$$;
COMMENT ON FUNCTION @extschema@.creation(@extschema@.shape, name) IS 'the SQL that creates a contact table';

CREATE FUNCTION @extschema@.check_tables(s @extschema@.shape)
RETURNS TABLE (check_name text, object text, status text, problem text, fix text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH contact AS MATERIALIZED (
        SELECT t.*, owner.rolname AS owner_name,
               t.relation IS NOT NULL AND t.kind IN ('r', 'p') AS usable,
               CASE WHEN t.kind IN ('r', 'p') THEN @extschema@.holds_rows(t.relation) END AS filled
        FROM @extschema@.contact_tables(s) t LEFT JOIN pg_roles owner ON owner.oid = t.owner
    ), present AS MATERIALIZED (
        SELECT contact.table_name, a.attname AS column_name, a.attnum, a.atttypid, a.atttypmod,
               a.atthasdef OR a.attidentity <> '' AS has_default, a.attnotnull
        FROM contact JOIN pg_attribute a ON a.attrelid = contact.relation AND a.attnum > 0 AND NOT a.attisdropped
        WHERE contact.usable
    ), wanted AS MATERIALIZED (
        SELECT contact.position AS table_position, contact.name, contact.relation, contact.filled,
               w.table_name, w.position, w.column_name, w.type, w.default_value, w.constraints, w.needed,
               p.attnum, p.atttypid, p.atttypmod, p.has_default
        FROM contact JOIN @extschema@.contact_columns(s) w USING (table_name)
             LEFT JOIN present p USING (table_name, column_name)
        WHERE contact.usable
    ), unique_key AS MATERIALIZED (
        SELECT contact.position AS table_position, contact.table_name, contact.name, contact.relation,
               array_to_string(contact.unique_key, ', ') AS columns,
               EXISTS (
                   SELECT FROM pg_index i
                   WHERE i.indrelid = contact.relation AND i.indisunique AND i.indisvalid
                     AND i.indpred IS NULL AND i.indexprs IS NULL
                     AND ARRAY(SELECT a.attname FROM pg_attribute a
                               WHERE a.attrelid = i.indrelid
                                 AND a.attnum = ANY ((i.indkey::smallint[])[0:i.indnkeyatts - 1]) ORDER BY 1)
                         = contact.unique_key) AS exists,
               NOT EXISTS (SELECT FROM unnest(contact.unique_key) AS needed(column_name)
                           WHERE NOT EXISTS (SELECT FROM present p WHERE p.table_name = contact.table_name
                                                                   AND p.column_name = needed.column_name)) AS possible
        FROM contact WHERE contact.usable AND contact.unique_key IS NOT NULL
    ), code AS (
        -- What others may have put there, to run with the owner's rights when the table is written: triggers, for who
        -- has TRIGGER; and anything at all in a table that a role made who has not these rights.
        SELECT contact.position AS table_position, contact.name, format('trigger %I', t.tgname) AS description
        FROM contact JOIN pg_trigger t ON t.tgrelid = contact.relation AND NOT t.tgisinternal
        WHERE contact.usable AND @extschema@.runs_foreign_code(contact.relation, t.tgname, s.owner)
        UNION ALL
        SELECT contact.position, contact.name, planted.description
        FROM contact
             CROSS JOIN LATERAL (
                 SELECT format('the default of column %I', a.attname)
                 FROM pg_attrdef d JOIN pg_attribute a ON (a.attrelid, a.attnum) = (d.adrelid, d.adnum)
                 WHERE d.adrelid = contact.relation AND NOT @extschema@.is_computation(d.adbin)
                 UNION ALL
                 SELECT format('constraint %I', k.conname)
                 FROM pg_constraint k
                 WHERE k.conrelid = contact.relation AND NOT @extschema@.is_computation(k.conbin)
                 UNION ALL
                 SELECT format('type %s of column %I', a.atttypid::regtype, a.attname)
                 FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
                 WHERE a.attrelid = contact.relation AND NOT a.attisdropped AND t.typtype = 'd'
                   AND NOT pg_has_role(t.typowner, s.owner, 'USAGE')
                 UNION ALL
                 SELECT format('index %s', i.indexrelid::regclass)
                 FROM pg_index i
                 WHERE i.indrelid = contact.relation
                   AND NOT (coalesce(@extschema@.is_computation(i.indexprs), true)
                            AND coalesce(@extschema@.is_computation(i.indpred), true))
                 UNION ALL
                 SELECT format('rule %I', r.rulename) FROM pg_rewrite r WHERE r.ev_class = contact.relation
             ) AS planted(description)
        WHERE contact.usable AND NOT pg_has_role(contact.owner, s.owner, 'USAGE')
    ), finding AS (
        SELECT 1 AS step, position AS table_position, 0 AS position, 'contact_table' AS check_name, name AS object,
               CASE WHEN relation IS NULL THEN 'fix'
                    WHEN NOT usable OR s.persistence = 'u' AND persistence = 'p' THEN 'blocked' ELSE 'ok' END AS status,
               CASE WHEN relation IS NULL THEN 'the table is missing'
                    WHEN NOT usable THEN 'it is not a table: rename it or drop it'
                    WHEN s.persistence = 'u' AND persistence = 'p' THEN
                        format('it is logged and %s is not: it cannot refer to that', s.name) END AS problem,
               CASE WHEN relation IS NULL THEN @extschema@.creation(s, table_name) END AS fix
        FROM contact

        UNION ALL
        -- The sync writes tables of customers' owner only: anybody could plant another, with triggers of his own.
        SELECT 2, position, 0, 'contact_owner', name,
               CASE WHEN owner = s.owner THEN 'ok'
                    WHEN pg_has_role(owner, 'USAGE') THEN 'fix' ELSE 'blocked' END,
               CASE WHEN owner <> s.owner THEN
                   format('its owner is %I, that of %s is %I: the sync does not write it',
                          owner_name, s.name, mine.rolname)
                   || CASE WHEN pg_has_role(owner, 'USAGE') THEN ''
                           ELSE format('; %I or a superuser must give it away', owner_name) END END,
               format('ALTER TABLE %s OWNER TO %I;', name, mine.rolname)
        FROM contact JOIN pg_roles mine ON mine.oid = s.owner WHERE usable

        UNION ALL
        SELECT 3, table_position, 0, 'foreign_code', name, 'blocked',
               format('%s could run code of a role without the rights of the owner of %s, with these rights: drop it, '
                      'or give its function to such a role', description, s.name), NULL
        FROM code
        UNION ALL
        SELECT 3, position, 0, 'foreign_code', name, 'ok', NULL, NULL
        FROM contact WHERE usable AND NOT EXISTS (SELECT FROM code WHERE code.name = contact.name)

        UNION ALL
        SELECT 4, table_position, position, 'contact_column', format('%s.%I', name, column_name),
               CASE WHEN needed AND filled THEN 'blocked' ELSE 'fix' END,
               CASE WHEN needed AND filled THEN 'the column is missing, and the rows there are say nothing without it'
                    ELSE 'the column is missing' END,
               format('ALTER TABLE %s ADD COLUMN %s;', name,
                      concat_ws(' ', quote_ident(column_name), type, 'DEFAULT ' || default_value,
                                -- Where there are rows, a column without a default is null in them.
                                CASE WHEN constraints = 'PRIMARY KEY'
                                     THEN CASE WHEN EXISTS (SELECT FROM pg_index i
                                                            WHERE i.indrelid = relation AND i.indisprimary)
                                               THEN 'NOT NULL' ELSE constraints END
                                     WHEN filled THEN regexp_replace(constraints, '^NOT NULL ?', '')
                                     ELSE constraints END))
        FROM wanted WHERE attnum IS NULL
        UNION ALL
        SELECT 4, position, 0, 'contact_column', name, 'ok', NULL, NULL
        FROM contact
        WHERE usable AND NOT EXISTS (SELECT FROM wanted WHERE wanted.name = contact.name AND attnum IS NULL)

        UNION ALL
        SELECT 5, table_position, position, 'contact_default', format('%s.%I', name, column_name), 'fix',
               'the column has no default',
               format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s;', name, column_name, default_value)
        FROM wanted
        WHERE attnum IS NOT NULL AND default_value IS NOT NULL AND NOT has_default AND to_regtype(type) = atttypid

        UNION ALL
        SELECT 6, table_position, position, 'customer_id_type', format('%s.%I', name, column_name),
               CASE WHEN same THEN 'ok' ELSE 'blocked' END,
               CASE WHEN NOT same THEN format('it is of type %s, %s.%I is of type %s', format_type(atttypid, atttypmod),
                                              s.name, s.id_column, format_type(id_type, id_modifier)) END, NULL
        FROM wanted
             CROSS JOIN LATERAL (SELECT a.atttypid AS id_type, a.atttypmod AS id_modifier
                                 FROM pg_attribute a WHERE a.attrelid = s.customers AND a.attnum = s.id) AS id
             CROSS JOIN LATERAL (SELECT own.type = referred.type
                                        AND (own.width IS NULL OR referred.width <= own.width) IS TRUE AS same
                                 FROM @extschema@.base_type(atttypid, atttypmod) AS own,
                                      @extschema@.base_type(id_type, id_modifier) AS referred) AS comparison
        WHERE column_name = 'customer_id' AND attnum IS NOT NULL

        UNION ALL
        SELECT 7, table_position, position, 'phone_number_type', format('%s.%I', name, column_name),
               CASE WHEN NOT textual OR narrow AND used_by IS NOT NULL THEN 'blocked'
                    WHEN narrow THEN 'fix' ELSE 'ok' END,
               CASE WHEN NOT textual THEN 'a number is text, and this column is not'
                    WHEN narrow THEN 'it is narrower than the columns it copies'
                        || coalesce('; drop first what depends on its type: ' || used_by, '') END,
               format('ALTER TABLE %s ALTER COLUMN phone_number TYPE pg_catalog.text;', name)
        FROM wanted
             CROSS JOIN LATERAL (
                 SELECT t.typcategory = 'S' AS textual,
                        own.width IS NOT NULL AND EXISTS (
                            SELECT FROM pg_attribute a, @extschema@.base_type(a.atttypid, a.atttypmod) AS copied
                            WHERE a.attrelid = s.customers AND a.attnum IN (s.phone, s.whatsapp)
                              AND (copied.width IS NULL OR copied.width > own.width)) AS narrow
                 FROM @extschema@.base_type(atttypid, atttypmod) AS own
                      JOIN pg_type t ON t.oid = own.type) AS comparison
             CROSS JOIN LATERAL (
                 SELECT string_agg(DISTINCT coalesce(v.ev_class::regclass::text,
                                                     pg_describe_object(d.classid, d.objid, d.objsubid)),
                                   ', ') AS used_by
                 FROM pg_depend d LEFT JOIN pg_rewrite v ON d.classid = 'pg_rewrite'::regclass AND v.oid = d.objid
                 WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = relation AND d.refobjsubid = attnum
                   AND (d.classid IN ('pg_rewrite'::regclass, 'pg_policy'::regclass, 'pg_trigger'::regclass)
                        OR EXISTS (SELECT FROM pg_attrdef e WHERE d.classid = 'pg_attrdef'::regclass AND e.oid = d.objid
                                                            AND e.adnum <> attnum))) AS dependents
        WHERE column_name = 'phone_number' AND attnum IS NOT NULL

        UNION ALL
        SELECT 8, table_position, 0, 'unique_key', format('%s (%s)', name, columns),
               CASE WHEN u.exists THEN 'ok' WHEN duplicates THEN 'blocked' ELSE 'fix' END,
               CASE WHEN duplicates THEN 'the unique constraint is missing, and there are rows that it forbids'
                    WHEN NOT u.exists THEN 'the unique constraint is missing' END,
               format('ALTER TABLE %s ADD UNIQUE (%s);', name, columns)
        FROM unique_key u
             CROSS JOIN LATERAL (SELECT CASE WHEN NOT u.exists AND u.possible
                                             THEN @extschema@.holds_duplicates(u.relation, u.columns)
                                             ELSE false END) AS search(duplicates)

        UNION ALL
        -- Existing tables have one of their own, as a rule.
        SELECT 9, position, 0, 'touch_trigger', name,
               CASE WHEN touched THEN 'ok' ELSE 'fix' END,
               CASE WHEN NOT touched THEN 'no trigger keeps updated_at' END,
               format(E'CREATE TRIGGER touch_updated_at BEFORE UPDATE ON %s\n'
                      '    FOR EACH ROW EXECUTE FUNCTION @extschema@.touch_updated_at();', name)
        FROM contact
             CROSS JOIN LATERAL (
                 SELECT EXISTS (SELECT FROM pg_trigger t        -- row, before, update
                                WHERE t.tgrelid = contact.relation AND t.tgtype & 19 = 19
                                  AND (NOT t.tgisinternal OR t.tgparentid <> 0))) AS keeper(touched)
        WHERE table_name <> 'contact_history' AND (relation IS NULL OR usable)

        UNION ALL
        -- Who may read or write customers may do the same with contact data; no grant options, nothing else.
        SELECT 10, position, 0, 'grants', name, 'fix', 'the table is to be granted to whom ' || s.name || ' is',
               (SELECT string_agg(format('GRANT %s ON TABLE %s TO %s;', privileges, name, grantee),
                                  E'\n' ORDER BY grantee)
                FROM (SELECT coalesce(quote_ident(role.rolname), 'PUBLIC') AS grantee,
                             string_agg(DISTINCT a.privilege_type, ', ') AS privileges
                      FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
                           LEFT JOIN pg_roles role ON role.oid = a.grantee
                      WHERE c.oid = s.customers AND a.grantee <> s.owner
                        AND a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
                      GROUP BY role.rolname) AS granted)
        FROM contact WHERE relation IS NULL
    )
    SELECT check_name, object, status, problem, CASE WHEN status IN ('fix', 'advice') THEN fix END
    FROM finding
    WHERE check_name <> 'grants' OR fix IS NOT NULL
    ORDER BY step, table_position, position, problem
$$;
COMMENT ON FUNCTION @extschema@.check_tables(@extschema@.shape) IS 'what verify says of the contact tables';

CREATE FUNCTION @extschema@.check_foreign_keys(s @extschema@.shape)
RETURNS TABLE (check_name text, object text, status text, problem text, fix text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    WITH contact AS MATERIALIZED (
        SELECT t.* FROM @extschema@.contact_tables(s) t WHERE t.relation IS NULL OR t.kind IN ('r', 'p')
    ), foreign_key AS MATERIALIZED (
        SELECT contact.name, k.conname,
               k.confrelid = s.customers AND k.confkey = ARRAY[s.id] AS refers,
               k.confdeltype = 'c' AND k.confupdtype = 'c' AS cascades,
               concat_ws(' and ',
                         CASE WHEN k.confdeltype <> 'c' THEN 'ON DELETE CASCADE: a customer cannot go' END,
                         CASE WHEN k.confupdtype <> 'c' THEN 'ON UPDATE CASCADE: an id cannot change' END) AS lacks
        FROM contact
             JOIN pg_attribute a ON a.attrelid = contact.relation AND a.attname = 'customer_id' AND NOT a.attisdropped
             JOIN pg_constraint k ON k.conrelid = contact.relation AND k.contype = 'f' AND k.conparentid = 0
                                     AND k.conkey = ARRAY[a.attnum]
    )
    SELECT 'foreign_key', format('%s (customer_id)', contact.name), state.status,
           CASE WHEN strangers IS NOT NULL THEN
                    format('it refers to another table or column than %s.%I: drop constraint %s first',
                           s.name, s.id_column, strangers)
                WHEN s.inherited AND right_one IS NULL AND wrong IS NULL THEN
                    'no foreign key can refer to customers in the inheritance children of ' || s.name
                    || ': a deleted customer''s contact rows stay'
                WHEN s.inherited THEN
                    'the foreign key refuses the contact rows of customers in the inheritance children of ' || s.name
                WHEN right_one IS NULL AND wrong IS NULL THEN 'the foreign key is missing'
                WHEN wrong IS NOT NULL THEN
                    'the foreign key lacks ' || wrong END,
           CASE WHEN s.inherited THEN
                    (SELECT string_agg(format('ALTER TABLE %s DROP CONSTRAINT %I;', f.name, f.conname), E'\n'
                                       ORDER BY f.conname)
                     FROM foreign_key f WHERE f.name = contact.name AND f.refers)
                WHEN state.status = 'fix' THEN
                    concat_ws(E'\n',
                        (SELECT string_agg(format('ALTER TABLE %s DROP CONSTRAINT %I;', f.name, f.conname), E'\n'
                                           ORDER BY f.conname)
                         FROM foreign_key f WHERE f.name = contact.name AND f.refers AND NOT f.cascades),
                        CASE WHEN right_one IS NULL THEN
                            format(E'ALTER TABLE %s ADD FOREIGN KEY (customer_id)\n'
                                   '    REFERENCES %s (%I) ON DELETE CASCADE ON UPDATE CASCADE%s;',
                                   contact.name, s.name, s.id_column,
                                   -- Rows that are there are checked later, without a lock that keeps writers out.
                                   CASE WHEN contact.kind = 'r' AND @extschema@.holds_rows(contact.relation)
                                        THEN ' NOT VALID' ELSE '' END) END) END
    FROM contact
         CROSS JOIN LATERAL (
             SELECT min(f.conname::text) FILTER (WHERE f.refers AND f.cascades) AS right_one,
                    min(f.lacks) FILTER (WHERE f.refers AND NOT f.cascades) AS wrong,
                    string_agg(quote_ident(f.conname), ', ' ORDER BY f.conname) FILTER (WHERE NOT f.refers) AS strangers
             FROM foreign_key f WHERE f.name = contact.name) AS found
         CROSS JOIN LATERAL (
             SELECT CASE WHEN strangers IS NOT NULL THEN 'blocked'
                         WHEN s.inherited THEN 'advice'
                         WHEN right_one IS NULL OR wrong IS NOT NULL THEN 'fix'
                         ELSE 'ok' END AS status) AS state
    ORDER BY contact.position
$$;
COMMENT ON FUNCTION @extschema@.check_foreign_keys(@extschema@.shape) IS
    'what verify says of the foreign keys from the contact tables to customers';
