# Whatever writes customers, the contact data is that of the rules, whoever acts: the row triggers alone, statement triggers
# on what the row triggers noted, and these with so little room for notes that they are acted on in between.
#
# The same random statements run in three schemas that differ in that alone.  After each, all are compared with each other,
# and with the README's rules, told here once more in plain SQL over customers and methods before and after it.
#
#   CONTACT_SYNC_SEED         the first run's seed; the others count on from there (a random one)
#   CONTACT_SYNC_STATEMENTS   how many statements (2000), in runs of eighty
use strict;
use warnings;

use List::Util qw(max);
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TestModule;

my $first_seed = $ENV{CONTACT_SYNC_SEED} // time;
my $statements = $ENV{CONTACT_SYNC_STATEMENTS} // 2000;
my $statements_a_run = 80;
diag("CONTACT_SYNC_SEED=$first_seed CONTACT_SYNC_STATEMENTS=$statements");

my $node = PostgreSQL::Test::Cluster->new('rules');
$node->init;
$node->append_conf('postgresql.conf', "autovacuum = off\n" . paths_to(test_module()));
$node->start;
$node->safe_psql('template1', 'CREATE EXTENSION contact_sync');

my @levels = qw(row statement flushed);

#
# Shapes of customers.  `who` is the customer, whatever becomes of its id.
#

my $columns =
  'who integer NOT NULL, name text, phone varchar(20), whatsapp text, region text, points integer DEFAULT 0';
my %shapes = (
	plain => "CREATE TABLE customers (id %s PRIMARY KEY, $columns);",
	# By id, in two levels: a key that foreign keys can refer to is the partition key.
	partitioned => qq{
		CREATE TABLE customers ($columns, id %s PRIMARY KEY) PARTITION BY HASH (id);
		CREATE TABLE child_0 PARTITION OF customers FOR VALUES WITH (MODULUS 2, REMAINDER 0);
		CREATE TABLE half PARTITION OF customers FOR VALUES WITH (MODULUS 2, REMAINDER 1) PARTITION BY HASH (id);
		CREATE TABLE child_1 (whatsapp text, id %1\$s NOT NULL, region text, phone varchar(20), who integer NOT NULL,
			name text, points integer DEFAULT 0);
		ALTER TABLE half ATTACH PARTITION child_1 FOR VALUES WITH (MODULUS 4, REMAINDER 1);
		CREATE TABLE child_2 PARTITION OF half FOR VALUES WITH (MODULUS 4, REMAINDER 3);},
	inherited => qq{
		CREATE TABLE customers (id %s PRIMARY KEY, $columns);
		CREATE TABLE child_0 (UNIQUE (id)) INHERITS (customers);
		CREATE TABLE child_1 (UNIQUE (id), more text) INHERITS (customers);
		CREATE TABLE child_2 (UNIQUE (id)) INHERITS (child_1);},
	# By region, so that rows move.  Nothing can refer to such customers, and attach refuses them.
	moving => qq{
		CREATE TABLE customers (id %s NOT NULL, $columns, UNIQUE (id, region)) PARTITION BY LIST (region);
		CREATE TABLE child_0 PARTITION OF customers FOR VALUES IN ('north');
		CREATE TABLE child_1 PARTITION OF customers FOR VALUES IN ('south');
		CREATE TABLE child_2 PARTITION OF customers DEFAULT;});
my @children = map { "child_$_" } 0 .. 2;

sub chance { return rand() < shift }
sub one_of { return $_[ rand @_ ] }
sub literal { my ($value) = @_; return defined $value ? "E'$value'" : 'NULL' }

# Few numbers, so that many are equal, also but for white space.
sub number { return literal(one_of(undef, undef, '', ' ', '0700', ' 0700', '0700\t', '0701', '0702', '0800', '0801')) }
sub region { return literal(one_of(qw(north south west))) }

# contact_tables TYPE REFERENCES: as attach makes them, but for a preferred method that is the default.
sub contact_tables
{
	my ($type, $references) = @_;
	my $preferred = one_of(qw(whatsapp sms));
	return qq{
		CREATE TABLE contact_preferences (customer_id $type UNIQUE $references, preferred_method text DEFAULT '$preferred');
		CREATE TABLE contact_methods (
			id uuid DEFAULT gen_random_uuid() PRIMARY KEY, customer_id $type $references,
			method_type varchar(20) NOT NULL, phone_number text NOT NULL,
			is_available boolean DEFAULT true, is_preferred boolean DEFAULT false, last_verified timestamptz,
			verification_status varchar(20) DEFAULT 'unknown', created_at timestamptz DEFAULT clock_timestamp(),
			updated_at timestamptz DEFAULT clock_timestamp(), UNIQUE (customer_id, method_type));};
}

# triggers LEVEL: as attach would make them on customers that it refuses.
sub triggers
{
	my ($level) = @_;
	my @sql = 'CREATE TRIGGER trigger_sync_contact_numbers BEFORE INSERT OR UPDATE ON customers FOR EACH ROW'
	  . ' EXECUTE FUNCTION contact_sync.sync_contact_numbers();';
	for ([ 'initialize_contact_preferences', 'INSERT' ], [ 'update_contact_methods', 'INSERT OR UPDATE' ])
	{
		my ($function, $events) = @$_;
		push @sql, "CREATE TRIGGER trigger_$function AFTER $events ON customers FOR EACH ROW"
		  . " EXECUTE FUNCTION contact_sync.$function();";
		push @sql, "CREATE TRIGGER trigger_${function}_statement AFTER INSERT OR UPDATE ON $_ FOR EACH STATEMENT"
		  . " EXECUTE FUNCTION contact_sync.$function();" for $level eq 'row' ? () : ('customers', @children);
	}
	return join "\n", @sql;
}

# Leaves the row triggers alone.
my $without_statement_triggers = q{
	DO $$
	DECLARE
		t record;
	BEGIN
		FOR t IN SELECT tgname, tgrelid::regclass AS customers FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid
				 WHERE relnamespace = current_schema::regnamespace AND tgname LIKE 'trigger%statement' LOOP
			EXECUTE format('DROP TRIGGER %I ON %s', t.tgname, t.customers);
		END LOOP;
	END $$;};

# users_triggers MAY_GO: triggers of the users' own that change customers once more, or delete them where they may go;
# before and after ours by name.  They note whom they touch.
sub users_triggers
{
	my ($may_go) = @_;
	my $changes = join ' ELSIF ', map { "deed = $_->[0] THEN $_->[1]" } (
		[ 0, 'UPDATE customers SET phone = other WHERE who = target;' ],
		[ 1, q{UPDATE customers SET phone = NULL, whatsapp = '' WHERE who = target;} ],
		[ 2, 'UPDATE customers SET whatsapp = other, name = other WHERE who = target;' ],
		# There and back again
		[ 3, 'UPDATE customers SET phone = other WHERE who = target; UPDATE customers SET phone = was WHERE who = target;' ],
		[ 4, 'DELETE FROM customers WHERE who = target AND may_go;' ],
		[ 5, 'UPDATE customers SET points = customers.points + 1 WHERE who = target;' ]);
	my @sql = (q{
		CREATE TABLE touched (who integer);
		CREATE FUNCTION meddle(doer integer, was text, points integer, may_go boolean) RETURNS void LANGUAGE plpgsql AS $$
		DECLARE
			target integer := doer + doer % 3;
			deed integer := points % 7;
			other text := '09' || points;
		BEGIN
			-- Nobody is touched by two: in which order that would be is a matter of where the rows lie.
			IF doer % 3 = 2 THEN
				RETURN;
			END IF;
			INSERT INTO touched VALUES (doer), (target);
			IF } . $changes . q{ END IF;
		END $$;
		CREATE FUNCTION meddle_by_row() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			IF pg_trigger_depth() = 1 THEN
				PERFORM meddle(NEW.who, CASE TG_OP WHEN 'UPDATE' THEN OLD.phone END, NEW.points, TG_ARGV[0]::boolean);
			END IF;
			RETURN NULL;
		END $$;
		CREATE FUNCTION meddle_by_statement() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			IF pg_trigger_depth() = 1 THEN
				PERFORM meddle(who, phone, points, TG_ARGV[0]::boolean) FROM new_rows WHERE name = 'meddle' ORDER BY who;
			END IF;
			RETURN NULL;
		END $$;
		CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			NEW.phone := '05' || NEW.points;
			RETURN NEW;
		END $$;});
	for my $name (grep { chance(.4) } qw(a z))
	{
		my $statement = chance(.3);
		for my $event ('INSERT', 'UPDATE')
		{
			push @sql, $statement
			  ? "CREATE TRIGGER ${name}_meddle_$event AFTER $event ON customers REFERENCING NEW TABLE AS new_rows"
			  . " FOR EACH STATEMENT EXECUTE FUNCTION meddle_by_statement($may_go);"
			  : "CREATE TRIGGER ${name}_meddle_$event AFTER $event ON customers FOR EACH ROW WHEN (NEW.name = 'meddle')"
			  . " EXECUTE FUNCTION meddle_by_row($may_go);";
		}
	}
	push @sql, 'CREATE TRIGGER ' . one_of('a', 'z') . '_change BEFORE UPDATE ON customers FOR EACH ROW'
	  . " WHEN (NEW.name = 'change') EXECUTE FUNCTION change();" if chance(.4);
	return join "\n", @sql;
}

#
# The rules
#

# A customer's methods and numbers, of customers or of what they were.
sub numbers
{
	my ($customers) = @_;
	return qq{
		SELECT c.who, c.id::text, w.method, nullif(btrim(w.value, E' \\t\\n\\r\\f\\x0B'), '') AS number
		FROM $customers c CROSS JOIN LATERAL (VALUES ('whatsapp', whatsapp), ('sms', phone), ('phone_call', phone))
			 AS w(method, value)};
}

my $bookkeeping = q{
	CREATE TABLE old_customer (who integer, id text, phone text, whatsapp text);
	CREATE TABLE old_method (who integer, method text, row jsonb);
	CREATE VIEW method AS
		SELECT c.who, m.method_type AS method, to_jsonb(m) - 'customer_id' AS row
		FROM contact_methods m JOIN customers c ON c.id = m.customer_id;};

my $remember = q{
	DELETE FROM old_customer;
	DELETE FROM old_method;
	DELETE FROM touched;
	INSERT INTO old_customer SELECT who, id::text, phone, whatsapp FROM customers;
	INSERT INTO old_method SELECT * FROM method;};

# What is not as the rules say, a line each.  Of customers that a nested statement touched the rules promise the number
# alone: whether a change was seen once, twice or not at all, and so what is known of the number, is up to the order in
# which triggers run; and a row that was missing before the statement is missed again where in the end nothing changed.
my $wrong = q{
	WITH number AS (} . numbers('customers') . q{), old_number AS (} . numbers('old_customer') . q{),
	judged AS (
		SELECT n.who, n.method, n.number, o.row AS old_row, m.row,
			   n.who IN (SELECT who FROM touched) AS touched,
			   b.id = n.id AND b.number IS NOT DISTINCT FROM n.number AS untouched,
			   -- A foreign key that follows a changed id updates the row.
			   CASE WHEN b.id <> n.id THEN 'updated_at' ELSE '' END AS ignored,
			   n.method = coalesce((SELECT preferred_method FROM contact_preferences p WHERE p.customer_id::text = n.id),
								   'whatsapp') AS preferred
		FROM number n LEFT JOIN old_number b USING (who, method) LEFT JOIN old_method o USING (who, method)
			 LEFT JOIN method m USING (who, method)
	), outcome AS (
		SELECT judged.*,
			   CASE WHEN touched AND untouched AND old_row IS NULL THEN coalesce(row ->> 'phone_number' = number, true)
					WHEN touched THEN row ->> 'phone_number' IS NOT DISTINCT FROM number
					WHEN untouched THEN row IS NOT DISTINCT FROM old_row
					WHEN number IS NULL THEN row IS NULL
					WHEN old_row ->> 'phone_number' = number THEN row - ignored = old_row - ignored
					WHEN old_row IS NOT NULL THEN
						row - 'updated_at' = old_row - 'updated_at' || jsonb_build_object('phone_number', number,
							'is_available', true, 'verification_status', 'unknown', 'last_verified', NULL)
					ELSE row - '{id,created_at,updated_at}'::text[] = jsonb_build_object('method_type', method,
							'phone_number', number, 'is_available', true, 'is_preferred', preferred,
							'verification_status', 'unknown', 'last_verified', NULL) END AS is_right
		FROM judged
	)
	SELECT format('customer %s, %s: %s, was %s, is %s', who, method, number, old_row, row)
	FROM outcome WHERE is_right IS NOT TRUE
	UNION ALL
	SELECT format('customer %s has %s preferences', c.who, count(p.customer_id))
	FROM customers c LEFT JOIN contact_preferences p ON p.customer_id = c.id
	GROUP BY c.who HAVING count(p.customer_id) <> 1
	UNION ALL
	SELECT 'failure: ' || f::text FROM contact_sync.failures f};

# The same in all schemas, but for what no two rows have in common; of touched customers see above.
sub different
{
	my $compared = sub {
		my ($schema) = @_;
		return qq{
			SELECT 'method', who, method || (row - '{id,created_at,updated_at}'::text[])::text FROM $schema.method
			WHERE who NOT IN (SELECT who FROM by_row.touched)
			UNION ALL
			SELECT 'customer', who, concat_ws(', ', id, name, phone, whatsapp, region, points) FROM $schema.customers
			UNION ALL
			SELECT 'touched', who, NULL FROM $schema.touched
			UNION ALL
			SELECT 'preferences', c.who, p.preferred_method
			FROM $schema.contact_preferences p JOIN $schema.customers c ON c.id = p.customer_id};
	};
	my $row = $compared->('by_row');
	return join ' UNION ALL ', map {
		my $other = $compared->("by_$_");
		qq{
		SELECT 'by row, not $_: ' || x::text FROM ($row EXCEPT ALL ($other)) AS x
		UNION ALL
		SELECT 'by $_, not row: ' || x::text FROM ($other EXCEPT ALL ($row)) AS x}
	} grep { $_ ne 'row' } @levels;
}

# The users' own work with touched customers: they start anew, alike in all schemas.
my $level_out = q{
	DELETE FROM contact_methods m USING customers c, touched t WHERE m.customer_id = c.id AND c.who = t.who;
	INSERT INTO contact_methods (customer_id, method_type, phone_number)
		SELECT DISTINCT c.id, n.method, n.number FROM customers c JOIN touched t USING (who)
			 JOIN (} . numbers('customers') . q{) AS n USING (who) WHERE n.number IS NOT NULL;};

#
# Statements
#

# generate SEED: a run, as a hash: shape, level by level the SQL that makes it, and its statements.
sub generate
{
	my ($seed) = @_;
	srand $seed;
	my @names = sort keys %shapes;
	my $shape = $names[ $seed % @names ];
	my $type = (qw(bigint uuid))[ $seed / @names % 2 ];
	my $keys = $shape eq 'plain' || $shape eq 'partitioned';
	my $references = !$keys ? '' : 'REFERENCES customers (id) ON DELETE CASCADE ON UPDATE CASCADE';
	my $last_id = 0;
	my $new_id = sub {
		my $id = ++$last_id;
		return $type eq 'bigint' ? $id * 1000 : sprintf "'%08x-0000-4000-8000-%012x'::uuid", rand 2**32, $id;
	};
	my $last_who = 0;
	# As a row of values, and as a line of COPY's
	my $new_customer = sub {
		return (++$last_who, $new_id->(), one_of(q{'a'}, q{'b'}, q{'meddle'}), number(), number(), region(), int rand 50);
	};
	my $new_rows = sub { return join ', ', map { '(' . join(', ', $new_customer->()) . ')' } 1 .. 1 + rand 4 };
	my $into = 'INTO customers (who, id, name, phone, whatsapp, region, points)';
	my $someone = sub { return 1 + int rand max(1, $last_who) };
	my $some = sub {
		my $from = $someone->();
		return one_of("who = $from", "who BETWEEN $from AND $from + " . int(rand 6), 'who % ' . (2 + int rand 4) . ' = 0',
			"phone = '0700'", 'true');
	};
	my $setting = sub {
		return one_of('phone = ' . number(), 'whatsapp = ' . number(), 'phone = ' . number() . ', whatsapp = ' . number(),
			q{phone = phone || ' '}, 'points = points + 1', q{points = points + 1, name = 'meddle'},
			'points = points + 1, phone = ' . number() . q{, name = 'meddle'}, q{points = points + 3, name = 'change'},
			'phone = CASE who % 3 WHEN 0 THEN ' . number() . ' WHEN 1 THEN ' . number() . ' ELSE phone END',
			"region = " . region(), 'whatsapp = ' . number() . ', region = ' . region());
	};
	my $update = sub { return "UPDATE customers SET " . $setting->() . " WHERE " . $some->() };
	my $values = sub {
		return '(VALUES ' . join(', ', map { '(' . join(', ', $someone->(), number(), number()) . ')' } 1 .. 2 + rand 4)
		  . ') AS v(who, phone, whatsapp)';
	};
	# MERGE and ON CONFLICT refuse to change a row twice.
	my $distinct = sub { return 'SELECT DISTINCT ON (who) * FROM ' . $values->() . ' ORDER BY who' };

	my %kinds = (
		'INSERT' => [ 6, sub { "INSERT $into VALUES " . $new_rows->() } ],
		'UPDATE' => [ 10, $update ],
		'UPDATE FROM' => [ 3, sub { 'UPDATE customers c SET phone = v.phone, whatsapp = v.whatsapp FROM ' . $values->()
			  . ' WHERE c.who = v.who' } ],
		'COPY' => [ 3, sub {
			my @rows = map { join "\t", map { s/^E?'(.*)'(::uuid)?$/$1/r =~ s/^NULL$/\\N/r } $new_customer->() } 1 .. 1 + rand 4;
			return "COPY customers (who, id, name, phone, whatsapp, region, points) FROM STDIN;\n" . join("\n", @rows, '\\.');
		} ],
		'MERGE' => [ 3, sub {
			my $id = $new_id->();
			my $who = ++$last_who;
			return 'MERGE INTO customers c USING (' . $distinct->() . ") AS v ON c.who = v.who"
			  . ' WHEN MATCHED AND v.who % 4 = 0 THEN UPDATE SET whatsapp = v.whatsapp'
			  . ' WHEN MATCHED THEN UPDATE SET phone = v.phone, whatsapp = v.whatsapp'
			  if chance(.5);
			return "MERGE INTO customers c USING (SELECT $who, " . number() . ' UNION ALL SELECT ' . $someone->() . ', '
			  . number() . ') AS v(who, phone) ON c.who = v.who WHEN MATCHED THEN UPDATE SET phone = v.phone'
			  . " WHEN NOT MATCHED AND v.who = $who THEN INSERT (who, id, phone, region) VALUES (v.who, $id, v.phone, 'north')";
		} ],
		'ON CONFLICT' => [ 3, sub {
			my $key = $shape eq 'moving' ? 'id, region' : 'id';
			# By way of a parent that inherits nothing of its children's keys the same id would be there twice.
			my $table = $shape eq 'inherited' ? 'ONLY customers' : 'customers';
			return "INSERT $into SELECT who, id, name, " . number() . ', ' . number() . ", region, points FROM $table"
			  . ' WHERE ' . $some->() . ' UNION ALL VALUES ' . $new_rows->()
			  . " ON CONFLICT ($key) DO UPDATE SET phone = excluded.phone" . one_of('', ', whatsapp = excluded.whatsapp');
		} ],
		'writable CTE' => [ 3, sub {
			my ($one, $other) = ($someone->(), $someone->());
			return "WITH changed AS (UPDATE customers SET phone = " . number() . " WHERE who = $one RETURNING who),"
			  . " new AS (INSERT $into VALUES " . $new_rows->() . " RETURNING who)"
			  . " UPDATE customers SET whatsapp = " . number() . " WHERE who = $other AND who <> $one";
		} ],
		'by hand' => [ 2, sub {
			# What an application does that keeps contact data itself: nothing is left to be done.
			return q{WITH changed AS (UPDATE customers SET phone = '07' || (points + 100), points = points + 1, name = 'a'}
			  . ' WHERE ' . $some->() . ' RETURNING id, phone)'
			  . ' UPDATE contact_methods m SET phone_number = c.phone, is_available = true,'
			  . q{ verification_status = 'unknown', last_verified = NULL FROM changed c WHERE m.customer_id = c.id}
			  . q{ AND m.method_type IN ('sms', 'phone_call') AND m.phone_number <> c.phone};
		} ],
		'contact data' => [ 4, sub {
			my $whose = 'FROM customers c WHERE m.customer_id = c.id AND c.who % 3 = ' . int rand 3;
			# A row that moves to another partition is new there to a row-level trigger: it makes the methods that are
			# missing, also where no number changed.
			my @delete = "DELETE FROM contact_methods m USING customers c WHERE m.customer_id = c.id AND c.who % 5 = "
			  . int rand 5;
			return one_of($shape eq 'moving' ? () : @delete,
				"UPDATE contact_methods m SET last_verified = '2024-01-01', verification_status = 'verified' $whose",
				"UPDATE contact_methods m SET is_available = false, is_preferred = NOT is_preferred $whose",
				"UPDATE contact_preferences m SET preferred_method = '" . one_of(qw(sms phone_call)) . "' $whose");
		} ]);
	# Without foreign keys contact data would stay behind.
	$kinds{DELETE} = [ 1, sub { 'DELETE FROM customers WHERE who = ' . $someone->() } ] if $keys;
	# A row that moves to another partition with its id is not supported.
	$kinds{'id'} = [ 4, sub {
		my ($one, $other) = ($someone->(), $someone->());
		return 'UPDATE customers SET id = ' . $new_id->() . one_of('', ', phone = ' . number()) . " WHERE who = $one"
		  if chance(.4);
		return 'UPDATE customers SET id = id + 1, ' . $setting->() if $type eq 'bigint' && chance(.3);
		# The id of another who takes a new one; an error, where it is taken before it is free.
		my $order = one_of('', 'DESC');
		return 'UPDATE customers c SET id = n.id, phone = ' . number() . ' FROM (SELECT s.ctid AS row,'
		  . " CASE s.who WHEN $one THEN " . $new_id->() . ' ELSE o.id END AS id FROM customers s JOIN customers o'
		  . " ON o.who = $one WHERE s.who IN ($one, $other) ORDER BY s.who = $other $order) AS n WHERE c.ctid = n.row";
	} ] if $shape eq 'plain';
	$kinds{'child'} = [ 6, sub {
		my $child = one_of(@children);
		return one_of("UPDATE $child SET " . $setting->() . ' WHERE ' . $some->(),
			"UPDATE ONLY $child SET phone = " . number(),
			"INSERT INTO $child (who, id, name, phone, whatsapp, region, points) VALUES " . $new_rows->());
	} ] unless $shape eq 'plain';

	my @deck = map { my $kind = $_; ($kind) x $kinds{$kind}[0] } sort keys %kinds;
	$last_who = 12;
	my %many = (kind => 'INSERT', sql => "INSERT $into SELECT n, "
		  . ($type eq 'bigint' ? '-1000 * n' : q{md5(n::text)::uuid}) . q{, 'a', '07' || n % 5, CASE WHEN n % 3 = 0 THEN '080' END,}
		  . " (ARRAY['north', 'south', 'west'])[1 + n % 3], n FROM generate_series(1, $last_who) AS n");
	my @steps = (\%many,
		map { my $kind = one_of(@deck); { kind => $kind, sql => $kinds{$kind}[1]->() } } 2 .. $statements_a_run);

	# Transactions over some of them, with savepoints that are rolled back, or kept.
	for (my $i = 1; $i < $#steps; $i++)
	{
		next unless chance(.15);
		my $end = $i + 1 + int rand 5;
		last if $end > $#steps;
		$steps[$i]{before} = 'BEGIN';
		$steps[ $i + 1 ]{before} = 'SAVEPOINT mine';
		$steps[$end]{after} = one_of('COMMIT', 'COMMIT', 'ROLLBACK');
		$steps[ $end - 1 ]{after} = one_of('ROLLBACK TO mine', 'RELEASE mine') if $end > $i + 2;
		$i = $end;
	}

	my $tables = sprintf($shapes{$shape}, $type) . contact_tables($type, $references);
	my $users = users_triggers($keys ? 'true' : 'false');
	my %setup = map {
		my $attach = $shape eq 'moving' ? triggers($_)
		  : "SELECT '+attached' FROM contact_sync.attach('customers');" . ($_ eq 'row' ? $without_statement_triggers : '');
		$_ => "$tables $attach $users $bookkeeping" } @levels;
	return { seed => $seed, shape => $shape, type => $type, setup => \%setup, steps => \@steps };
}

# start_run SEED: in a database of its own, by a psql of its own.
sub start_run
{
	my $run = generate(shift);
	my $database = $run->{database} = "run_$run->{seed}";
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	my @script = ('SET client_min_messages = warning;', '\set ON_ERROR_ROLLBACK on',
		map { ("CREATE SCHEMA by_$_;", "SET search_path = by_$_;", $run->{setup}{$_}) } @levels);
	my $number = 0;
	for my $step (@{ $run->{steps} })
	{
		push @script, map { ("SET search_path = by_$_;", $remember) } @levels;
		push @script, "$step->{before};" if $step->{before};
		$number++;
		my $sql = $step->{sql} =~ /\\\.$/ ? $step->{sql} : "$step->{sql};";
		for my $level (@levels)
		{
			# Which of two rows comes first must not be a matter of where rows lie or what is known of a table, for that is
			# not the same in both schemas: nested loops keep the order of a subquery.
			push @script, "SET search_path = by_$level;", 'SET enable_hashjoin = off;', 'SET enable_mergejoin = off;',
			  $level eq 'flushed' ? 'SET contact_sync_test.notes = ' . one_of(1, 3, 10) . ';' : 'RESET contact_sync_test.notes;',
			  $sql, "\\set ${level}_state :SQLSTATE", 'RESET enable_hashjoin;', 'RESET enable_mergejoin;',
			  # What the users do themselves is no matter of the rules.
			  $step->{kind} eq 'contact data' ? () : "SELECT '$number, $level-level: ' || line FROM ($wrong) AS x(line);";
		}
		push @script, "SELECT '+$step->{kind}' WHERE :'row_state' = '00000';",
		  (map { "SELECT '$number: SQLSTATE ' || :'row_state' || ', $_: ' || :'${_}_state'"
			  . " WHERE :'row_state' <> :'${_}_state';" } grep { $_ ne 'row' } @levels),
		  "SELECT '$number, ' || line FROM (" . different() . ') AS x(line);',
		  "SELECT '+touched by nested statements' FROM by_row.touched LIMIT 1;",
		  map { ("SET search_path = by_$_;", $level_out) } @levels;
		push @script, "$step->{after};" if $step->{after};
	}
	$run->{script} = join "\n", @script, "SELECT '+finished';", '';
	my $input = $run->{script};    # which is eaten up
	$run->{run} = IPC::Run::start [ 'psql', '-XAtq', '-v', 'VERBOSITY=terse', '-d', $node->connstr($database) ],
	  '<', \$input, '>', \$run->{out}, '2>', \$run->{err};
	return $run;
}

# Two at a time
my (%happened, @failed, @running);
my @seeds = map { $first_seed + $_ } 0 .. max(0, int($statements / $statements_a_run) - 1);
while (@seeds || @running)
{
	push @running, start_run(shift @seeds) while @seeds && @running < 2;
	my $run = shift @running;
	$run->{run}->finish;
	my @complaints;
	my $finished = 0;
	for (split /\n/, $run->{out})
	{
		$finished = 1 if $_ eq '+finished';
		if (/^\+(.*)/) { $happened{$1}++ }
		else { push @complaints, $_ }
	}
	push @complaints, 'it did not finish' unless $finished;
	# A key that is taken, a partition that is not the row's (in two wordings); anything else is not meant.
	my $meant = qr/ERROR:  (duplicate key value|new row for relation "child_\d" violates partition|moving row to another)/;
	push @complaints, grep { !/$meant/ } split /\n/, $run->{err};
	$happened{"$run->{shape}, $run->{type}"}++;
	if (@complaints)
	{
		push @failed, $run->{seed};
		diag(join "\n  ", "CONTACT_SYNC_SEED=$run->{seed} CONTACT_SYNC_STATEMENTS=$statements_a_run",
			"$run->{shape}, $run->{type}",
			@complaints > 20 ? (@complaints[0 .. 19], 'and more') : @complaints);
		note($run->{script});
	}
	$node->safe_psql('postgres', "DROP DATABASE $run->{database}");
}
is(join(' ', @failed), '', "$statements statements: all ways leave the same, and as the rules say");

# The generator must have met every kind of statement.
note(join "\n", map { "$_: $happened{$_}" } sort keys %happened);
if ($statements >= 2000)
{
	cmp_ok($happened{$_} // 0, '>', 0, $_) for ('INSERT', 'UPDATE', 'UPDATE FROM', 'COPY', 'MERGE', 'ON CONFLICT',
		'writable CTE', 'by hand', 'contact data', 'DELETE', 'id', 'child', 'touched by nested statements',
		map { ("$_, bigint", "$_, uuid") } sort keys %shapes);
}

$node->stop;
done_testing();
