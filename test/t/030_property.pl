# Whatever state a legacy database is in, attach and reconcile make it right, and no row of contact data is lost.
#
# A generator makes databases (each a schema) of random shape, with a random subset of the broken states that adoption
# knows, and random rows, some of them wrong.  What has to become of each row is told here once more, in plain SQL over
# the rows as they were.  Where something must be corrected by hand, verify names it, attach refuses, and it is corrected.
# Statements of an app that succeed before attach must succeed after it.
#
#   CONTACT_SYNC_SEED        the first database's seed; the others count on from there (a random one)
#   CONTACT_SYNC_DATABASES   how many databases (200)
use strict;
use warnings;

use Encode qw(encode);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $first_seed = $ENV{CONTACT_SYNC_SEED} // time;
my $databases = $ENV{CONTACT_SYNC_DATABASES} // 200;
diag("CONTACT_SYNC_SEED=$first_seed CONTACT_SYNC_DATABASES=$databases");

my $node = PostgreSQL::Test::Cluster->new('property');
$node->init(extra => ['--encoding=UTF8']);
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION contact_sync;
	CREATE ROLE shop_owner;
	CREATE ROLE someone;
	GRANT shop_owner TO someone;	-- so he is not suspected of having planted a table
	CREATE ROLE authenticated;
	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA contact_sync TO shop_owner;

	-- What becomes of each statement when an app runs it, and how many rows it is about. Nothing of it stays.
	CREATE FUNCTION outcomes(statements text[], OUT statement text, OUT state text, OUT row_count bigint)
	RETURNS SETOF record LANGUAGE plpgsql AS $$
	BEGIN
		FOREACH statement IN ARRAY statements LOOP
			BEGIN
				SET LOCAL ROLE authenticated;
				EXECUTE statement;
				GET DIAGNOSTICS row_count = ROW_COUNT;
				SET CONSTRAINTS ALL IMMEDIATE;
				RAISE EXCEPTION USING ERRCODE = 'UNDO0';
			EXCEPTION WHEN OTHERS THEN
				state := SQLSTATE;
			END;
			RETURN NEXT;
		END LOOP;
	END
	$$;
	CREATE FUNCTION refuses(customers regclass) RETURNS boolean LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM FROM contact_sync.attach(customers);
		RETURN false;
	EXCEPTION WHEN object_not_in_prerequisite_state THEN
		RETURN true;
	END
	$$;
});

my @tables = qw(contact_preferences contact_methods contact_history);

# What has a default, and what the sync can do without.
my %optional = (
	contact_preferences => [
		qw(id preferred_method whatsapp_enabled sms_enabled phone_call_enabled quiet_hours language created_at
		  updated_at) ],
	contact_methods => [ qw(id is_available is_preferred last_verified verification_status created_at updated_at) ],
	contact_history => [ qw(id customer_id method type status timestamp content duration created_at) ]);
my %defaults = (
	contact_preferences => $optional{contact_preferences},
	contact_methods => [ qw(id is_available is_preferred verification_status created_at updated_at) ],
	contact_history => [ qw(id timestamp created_at) ]);

#
# The generator
#

sub chance { return rand() < shift }
sub one_of { return $_[ rand @_ ] }
sub some_of { my $chance = shift; return grep { chance($chance) } @_ }

sub literal
{
	my ($value) = @_;
	return 'NULL' unless defined $value;
	$value =~ s/([\\'])/\\$1/g;
	return "E'$value'";
}

# A number as contact_sync stores it, as doc/reference.md says: in Perl, and for SQL those of the characters that are made
# here.
my $ignorable = q{E' \t\n\r\f\x0B\u00A0\u200B\u202A\u202C\u2060\u3000\uFEFF'};
sub trimmed
{
	my ($value) = @_;
	return unless defined $value;
	$value =~ s/^[\p{White_Space}\p{Cf}]+|[\p{White_Space}\p{Cf}]+\z//g;
	return length $value ? $value : undef;
}

sub new_id
{
	my ($type, $number) = @_;
	return sprintf '%08x-0000-4000-8000-%012x', rand 2**32, $number if $type eq 'uuid';
	return one_of(-1, 1) * (int(rand 1e9) * 10_000 + $number) if $type eq 'bigint';
	return one_of('c', 'C ', q{it's "}, '\\', '{x,', '%s ', "\t") . $number;
}

sub new_number
{
	my ($width) = @_;
	my $number = one_of('07', '+2557') . int(rand 1e8);
	# What spreadsheets and telephones paste
	my $mark = one_of("\x{A0}", "\x{200B}", "\x{202A}", "\x{FEFF}", "\x{3000}", "\x{A0} \x{2060}");
	return one_of(undef, '', '  ', "\t\n", $mark, "$mark ", " $number", "$number\t", "$mark$number", "$number$mark",
		"$mark$number\x{202C}", substr($number, 0, 5) . $mark . substr($number, 5), $number,
		substr($number x 4, 0, $width // 40));
}

sub new_time { return chance(.1) ? undef : sprintf '2024-%02d-%02d %02d:00+00', 1 + rand 12, 1 + rand 28, rand 24 }

# The steps below add to a database, a hash: sql makes it, states are what is broken, the rest says what it is.
sub add
{
	my ($d, @sql) = @_;
	push @{ $d->{sql} }, @sql;
}

sub break_it
{
	my ($d, $state, @sql) = @_;
	push @{ $d->{states} }, $state;
	add($d, @sql);
}

sub present { my ($d) = @_; return grep { $d->{there}{$_} } @tables }

sub customers_table
{
	my ($d) = @_;
	my $odd_names = chance(.3);
	my $schema = $odd_names ? "\"Shop $d->{seed}\"" : "shop_$d->{seed}";
	my ($table, $id, $phone, $whatsapp) =
	  $odd_names ? ('"The ""Customers"""', '"Id"', '"Phone %s"', '"WhatsApp"') : qw(customers id phone whatsapp);
	my $customers = "$schema.$table";
	my $has_whatsapp = !chance(.1);
	my $shape = one_of(qw(plain plain plain partitioned partitioned inherited));
	my $domain = chance(.15);
	%$d = (%$d,
		schema => $schema, customers => $customers, id => $id, phone => $phone,
		whatsapp => $has_whatsapp ? $whatsapp : undef, shape => $shape, children => [],
		id_type => one_of(qw(uuid bigint text)), phone_type => one_of('varchar(20)', 'text'),
		whatsapp_type => one_of('varchar(20)', 'text'), rls => one_of(qw(off open authenticated branch)),
		arguments => sprintf('%s::regclass', literal($customers)),
		named => !$odd_names ? ''
		: q{, id_column => 'Id', phone_column => 'Phone %s'} . ($has_whatsapp ? q{, whatsapp_column => 'WhatsApp'} : ''));
	my $type = $domain ? "$schema.customer_key" : $d->{id_type};
	$d->{reference} = $domain && chance(.5) ? $d->{id_type} : $type;

	add($d, "CREATE SCHEMA $schema AUTHORIZATION shop_owner", "GRANT USAGE ON SCHEMA $schema TO authenticated, someone",
		'SET SESSION AUTHORIZATION shop_owner');
	add($d, "CREATE DOMAIN $type AS $d->{id_type}") if $domain;
	add($d,
		"CREATE TABLE $customers (gone integer, $id $type PRIMARY KEY, name text NOT NULL, $phone $d->{phone_type},"
		  . " $whatsapp $d->{whatsapp_type}, branch text, shouted text GENERATED ALWAYS AS (upper(name)) STORED)"
		  . ($shape eq 'partitioned' ? " PARTITION BY HASH ($id)" : ''),
		"ALTER TABLE $customers DROP COLUMN gone",
		"GRANT SELECT, INSERT, UPDATE ON $customers TO authenticated");
	for (0 .. 2)
	{
		next if $shape eq 'plain';
		my $child = "$schema.part_$_";
		push @{ $d->{children} }, $child;
		add($d, "CREATE TABLE $child "
			  . ($shape eq 'partitioned' ? "PARTITION OF $customers FOR VALUES WITH (MODULUS 3, REMAINDER $_)"
				: (chance(.7) ? "(PRIMARY KEY ($id))" : '()') . " INHERITS ($customers)"));
	}
	my $drop = "ALTER TABLE $customers DROP COLUMN $whatsapp";
	break_it($d, 'no whatsapp column', $drop) unless $has_whatsapp;
	break_it($d, 'whatsapp dropped and added again', $drop,
		"ALTER TABLE $customers ADD COLUMN $whatsapp $d->{whatsapp_type}") if $has_whatsapp && chance(.15);

	my $policy = "CREATE POLICY app ON $customers TO authenticated USING";
	my %policies = (
		open => [ (map { "CREATE POLICY app_$_ ON $customers FOR $_ USING (true)" } qw(SELECT UPDATE DELETE)),
			"CREATE POLICY app_insert ON $customers FOR INSERT WITH CHECK (true)" ],
		authenticated => ["$policy (true)"],
		branch => ["$policy (branch IN ('Arusha', 'Moshi'))"]);
	add($d, "ALTER TABLE $customers ENABLE ROW LEVEL SECURITY", @{ $policies{ $d->{rls} } }) if $d->{rls} ne 'off';
}

# What the legacy table of methods can hold: also what makes attach change it
sub methods_column
{
	my ($d) = @_;
	my ($type, $check) = ('varchar(20)', q{CHECK (method_type IN ('whatsapp', 'sms', 'phone_call'))});
	my @methods = ('whatsapp', 'sms', 'phone_call');
	if ($d->{attached} || !$d->{there}{contact_methods})
	{
		# as it should be
	}
	elsif (chance(.3))
	{
		($check, @methods) = @{ one_of(
			[ q{CHECK (method_type IN ('whatsapp', 'sms'))}, 'whatsapp', 'sms' ],
			[ q{CHECK (method_type = ANY (ARRAY['sms', 'phone_call', 'email']))}, 'sms', 'phone_call', 'email' ],
			[ q{CHECK (method_type <> 'phone_call')}, 'sms', 'whatsapp', 'email' ],
			[ q{CHECK (length(method_type) = 3)}, 'sms' ]) };
		break_it($d, "method_type $check");
	}
	elsif (chance(.15))
	{
		($type, $check, @methods) = ('varchar(9)', '', 'whatsapp', 'sms', 'email');
		break_it($d, 'method_type too short');
	}
	elsif (chance(.15))
	{
		($type, $check) = ("$d->{schema}.method", '');
		add($d, "CREATE TYPE $type AS ENUM ('phone_call', 'sms', 'whatsapp')");
	}
	return ("$type NOT NULL $check", @methods);
}

# The contact tables, as legacy databases have them, each with a column that contact_sync knows nothing of; some
# databases have been attached before, which made those that were missing.
sub contact_tables
{
	my ($d) = @_;
	my $attached = $d->{attached} = chance(.25);
	my %missing = map { $_ => 1 } some_of($attached ? .5 : .15, @tables);
	$d->{there} = { map { $_ => 1 } $attached ? @tables : grep { !$missing{$_} } @tables };
	$d->{made} = $attached ? \%missing : {};

	my ($method_type, @methods) = methods_column($d);
	my ($number_type, $room) = @{ one_of([ 'varchar(13)', 13 ], [ 'text', 1000 ], [ 'varchar(20)', 20 ]) };
	($number_type, $room) = ('varchar(20)', 20) if $missing{contact_methods};
	break_it($d, 'phone_number narrow') if $room == 13;
	@$d{qw(methods room)} = (\@methods, $room);

	my $status = q{varchar(20) DEFAULT 'unknown' CHECK (verification_status IN ('verified', 'unverified', 'unknown', 'failed'))};
	$d->{statuses} = [qw(verified failed unknown)];
	if (!$attached && !$missing{contact_methods} && chance(.2))
	{
		$d->{statuses} = [qw(verified pending)];
		my $type = one_of(q{varchar(20) DEFAULT 'pending' CHECK (verification_status IN ('verified', 'pending'))},
			q{varchar(6) DEFAULT 'new'}, "$d->{schema}.status DEFAULT 'pending'");
		$d->{statuses} = [qw(new failed)] if $type =~ /varchar.6/;
		add($d, "CREATE TYPE $d->{schema}.status AS ENUM ('verified', 'pending')") if $type =~ /status DEFAULT/;
		break_it($d, "verification_status $type");
		$status = $type;
	}

	my $key = "id uuid DEFAULT gen_random_uuid() PRIMARY KEY, customer_id $d->{reference}";
	my $times = 'created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now()';
	my %columns = (
		contact_preferences => qq{$key UNIQUE, preferred_method varchar(20) DEFAULT 'whatsapp'
				CHECK (preferred_method IN ('whatsapp', 'sms', 'phone_call')),
			whatsapp_enabled boolean DEFAULT true, sms_enabled boolean DEFAULT true,
			phone_call_enabled boolean DEFAULT true,
			quiet_hours jsonb DEFAULT '{"enabled": false, "start": "22:00", "end": "08:00"}',
			language varchar(10) DEFAULT 'en' CHECK (language IN ('en', 'sw')), $times},
		contact_methods => qq{$key, method_type $method_type, phone_number $number_type NOT NULL,
			is_available boolean DEFAULT true, is_preferred boolean DEFAULT false, last_verified timestamptz,
			verification_status $status, $times, UNIQUE (customer_id, method_type)},
		contact_history => qq{$key, method varchar(20) NOT NULL CHECK (method IN ('whatsapp', 'sms', 'phone_call')),
			type varchar(20) NOT NULL CHECK (type IN ('message', 'call')), status varchar(20) NOT NULL,
			timestamp timestamptz DEFAULT now(), content text, duration integer, created_at timestamptz DEFAULT now()});
	for my $contact (@tables)
	{
		my $name = "$d->{schema}.$contact";
		break_it($d, "$contact missing"), next if $missing{$contact};
		add($d, "CREATE TABLE $name ($columns{$contact}, mark integer)",
			"GRANT SELECT, INSERT, UPDATE ON $name TO authenticated");
		# No key can refer to the customers of inheritance children.
		add($d, "ALTER TABLE $name ADD FOREIGN KEY (customer_id) REFERENCES $d->{customers} ON DELETE CASCADE")
		  if $d->{shape} ne 'inherited';
		add($d, "CREATE INDEX ON $name (customer_id)") if chance(.3);
	}
	add($d, 'RESET SESSION AUTHORIZATION');
	return unless $attached;
	# The triggers know the columns, but they may be dropped again.
	break_it($d, 'attached before', "DO \$\$ BEGIN PERFORM contact_sync.attach($d->{arguments}$d->{named}); END \$\$",
		map { "ALTER TABLE $d->{schema}.$_ ADD COLUMN mark integer" } sort keys %missing);
}

# Constraints: what rows may break depends on them
sub keys_of
{
	my ($d) = @_;
	for my $contact (present($d))
	{
		my $alter = "ALTER TABLE $d->{schema}.$contact";
		if ($d->{shape} eq 'inherited')
		{
			$d->{orphans}{$contact} = chance(.4);
		}
		elsif (chance(.4))
		{
			my $missing = chance(.2);
			my $orphans = $d->{orphans}{$contact} = $missing || chance(.5);
			my $deferrable = one_of('', '', 'DEFERRABLE', 'DEFERRABLE INITIALLY DEFERRED');
			my $how = join ' ', some_of(.5, 'ON DELETE CASCADE', 'ON UPDATE CASCADE'), $deferrable,
			  $orphans ? 'NOT VALID' : ();
			my $name = one_of("${contact}_customer_id_fkey", qq{"FK_$contact"});
			add($d, "$alter DROP CONSTRAINT ${contact}_customer_id_fkey");
			break_it($d, "$contact: no foreign key") if $missing;
			break_it($d, "$contact: foreign key '$how'",
				"$alter ADD CONSTRAINT $name FOREIGN KEY (customer_id) REFERENCES $d->{customers} $how") if !$missing;
			$d->{keys}{$contact} = [ $name =~ s/"//gr, $deferrable ] if !$missing;
		}
		next if $contact eq 'contact_history';
		$d->{nobody}{$contact} = !$d->{made}{$contact};
		if (chance(.35))
		{
			my $columns = $contact eq 'contact_methods' ? 'customer_id_method_type' : 'customer_id';
			break_it($d, "$contact: no unique constraint", "$alter DROP CONSTRAINT ${contact}_${columns}_key");
			$d->{twice}{$contact} = 1;
		}
	}
}

sub customer_rows
{
	my ($d) = @_;
	for my $number (1 .. 4 + rand 6)
	{
		my %customer = (
			id => new_id($d->{id_type}, $number),
			branch => one_of('Arusha', 'Moshi', 'Mwanza', undef),
			phone => new_number($d->{phone_type} eq 'text' ? undef : 20),
			whatsapp => $d->{whatsapp} ? new_number($d->{whatsapp_type} eq 'text' ? undef : 20) : undef);
		push @{ $d->{all_customers} }, \%customer;
		my %values = (
			$d->{id} => $customer{id}, name => "customer $number", branch => $customer{branch},
			$d->{phone} => $customer{phone});
		$values{ $d->{whatsapp} } = $customer{whatsapp} if $d->{whatsapp};
		my $table = $d->{shape} eq 'inherited' ? one_of($d->{customers}, @{ $d->{children} }) : $d->{customers};
		insert($d, $table, %values);
	}
}

sub insert
{
	my ($d, $table, %values) = @_;
	my @columns = sort keys %values;
	add($d, sprintf "INSERT INTO $table (%s) VALUES (%s)", join(', ', @columns),
		join ', ', map { literal($values{$_}) } @columns);
}

# Each row has a number of its own.
sub contact_row
{
	my ($d, $contact, %values) = @_;
	insert($d, "$d->{schema}.$contact", %values, mark => ++$d->{mark});
	$d->{filled}{$contact} = 1;
}

my %number_of = (whatsapp => 'whatsapp', sms => 'phone', phone_call => 'phone', email => 'none');
my %write_rows = (
	contact_methods => sub {
		my ($d, $customer) = @_;
		for my $method (some_of(.75, @{ $d->{methods} }))
		{
			my $right = trimmed($customer->{ $number_of{$method} });
			my $number = one_of(defined $right ? ($right, $right, "$right ") : (), '0900' . int(rand 1e6));
			next if length $number > $d->{room};
			contact_row($d, 'contact_methods', customer_id => $customer->{id}, method_type => $method,
				phone_number => $number, is_available => one_of('true', 'false', undef),
				is_preferred => one_of('true', 'false'), last_verified => new_time(),
				verification_status => one_of(@{ $d->{statuses} }), created_at => new_time(),
				updated_at => new_time());
		}
	},
	contact_preferences => sub {
		my ($d, $customer) = @_;
		return if chance(.3);
		contact_row($d, 'contact_preferences', customer_id => $customer->{id},
			preferred_method => one_of(qw(whatsapp sms phone_call)), language => one_of(qw(en sw)),
			quiet_hours => one_of('{"enabled": true}', undef), created_at => new_time(), updated_at => new_time());
	},
	contact_history => sub {
		my ($d, $customer) = @_;
		return if chance(.3);
		contact_row($d, 'contact_history', customer_id => $customer->{id},
			method => one_of(qw(whatsapp sms phone_call)), type => one_of(qw(message call)), status => 'sent',
			timestamp => new_time(), duration => int(rand 100));
	});

sub contact_rows_of
{
	my ($d) = @_;
	my %empty = map { $_ => 1 } some_of(.15, @tables);
	for my $contact (grep { !$empty{$_} } present($d))
	{
		my $write = $write_rows{$contact};
		for my $customer (@{ $d->{all_customers} })
		{
			$write->($d, $customer);
			next unless $d->{twice}{$contact} || $contact eq 'contact_history';
			$write->($d, $customer) while chance(.3);
		}
		if ($d->{orphans}{$contact} && chance(.7))
		{
			break_it($d, "$contact: orphans");
			$write->($d, { id => new_id($d->{id_type}, $_), phone => '0701', whatsapp => '0702' }) for 1001 .. 1004;
		}
		if (($d->{nobody}{$contact} || $contact eq 'contact_history') && chance(.3))
		{
			break_it($d, "$contact: customer_id null") if $contact ne 'contact_history';
			$write->($d, { id => undef, phone => '0701', whatsapp => '0702' }) for 1 .. 3;
		}
	}
}

# No trigger is to see them.
sub rows
{
	my ($d) = @_;
	add($d, 'SET LOCAL session_replication_role = replica');
	customer_rows($d);
	contact_rows_of($d);
	add($d, 'SET LOCAL session_replication_role = origin');
}

sub columns_and_defaults
{
	my ($d) = @_;
	for my $contact (present($d))
	{
		my $alter = "ALTER TABLE $d->{schema}.$contact";
		my %gone;
		if (chance(.25))
		{
			%gone = map { $_ => 1 } some_of(.3, @{ $optional{$contact} });
			$gone{ one_of(qw(customer_id method_type phone_number)) } = 1
			  if $contact eq 'contact_methods' && !$d->{filled}{$contact};
			break_it($d, "$contact: no column $_", "$alter DROP COLUMN $_ CASCADE") for sort keys %gone;
		}
		next unless chance(.25);
		break_it($d, "$contact: no default of $_", "$alter ALTER $_ DROP DEFAULT")
		  for grep { !$gone{$_} } some_of(.4, @{ $defaults{$contact} });
	}
}

my %trigger_events = (
	sync_contact_numbers => 'BEFORE INSERT OR UPDATE',
	initialize_contact_preferences => 'AFTER INSERT',
	update_contact_methods => 'AFTER INSERT OR UPDATE');

sub our_triggers
{
	my ($d) = @_;
	my ($customers, $schema) = @$d{qw(customers schema)};
	for my $trigger (map { "trigger_$_" } sort keys %trigger_events)
	{
		next unless chance(.3);
		my @targets = $d->{shape} eq 'inherited' ? ($customers, @{ $d->{children} }) : ($customers);
		my $state = one_of(
			map({ ("ALTER TABLE $_ DISABLE TRIGGER $trigger", "ALTER TABLE $_ ENABLE REPLICA TRIGGER $trigger",
				  "ALTER TABLE $_ ENABLE ALWAYS TRIGGER $trigger", "DROP TRIGGER $trigger ON $_") } @targets),
			$d->{shape} eq 'partitioned' ? "ALTER TABLE $schema.part_1 DISABLE TRIGGER $trigger" : ());
		break_it($d, $state, $state);
	}
	break_it($d, 'a child came later', 'SET SESSION AUTHORIZATION shop_owner',
		"CREATE TABLE $schema.late () INHERITS ($customers)", 'RESET SESSION AUTHORIZATION')
	  if $d->{shape} eq 'inherited' && chance(.5);
	for my $contact (grep { $_ ne 'contact_history' } present($d))
	{
		break_it($d, "$contact: touch_updated_at disabled",
			"ALTER TABLE $schema.$contact DISABLE TRIGGER touch_updated_at") if chance(.2);
	}
}

# With the defect that makes each change fail
sub legacy_triggers
{
	my ($d) = @_;
	my ($customers, $schema, $id, $phone, $whatsapp) = @$d{qw(customers schema id phone whatsapp)};
	my %body = (
		sync_contact_numbers => $whatsapp ? "NEW.$whatsapp := coalesce(nullif(NEW.$whatsapp, ''), NEW.$phone);" : '',
		initialize_contact_preferences => "INSERT INTO $schema.contact_preferences (customer_id) VALUES (NEW.$id);",
		update_contact_methods => qq{
			DELETE FROM $schema.contact_methods WHERE customer_id = NEW.$id;
			INSERT INTO $schema.contact_methods (customer_id, method_type, phone_number)
			VALUES (NEW.$id, 'sms', NEW.$phone);});
	add($d, 'SET SESSION AUTHORIZATION shop_owner');
	add($d, map { "CREATE FUNCTION $schema.$_() RETURNS trigger LANGUAGE plpgsql AS"
			  . " \$\$ BEGIN $body{$_} RETURN NEW; END \$\$" } sort keys %body);
	add($d, 'RESET SESSION AUTHORIZATION');
	for my $function (sort keys %trigger_events)
	{
		for my $table ($customers, $d->{shape} eq 'inherited' ? @{ $d->{children} } : ())
		{
			next if chance(.15);
			my $name = chance(.8) ? "trigger_$function" : "\"Old $function\"";
			break_it($d, "legacy $function",
				"CREATE TRIGGER $name $trigger_events{$function} ON $table"
				  . " FOR EACH ROW EXECUTE FUNCTION $schema.$function()");
			break_it($d, "legacy $function off", "ALTER TABLE $table DISABLE TRIGGER $name") if chance(.2);
		}
	}
}

sub triggers
{
	my ($d) = @_;
	if ($d->{attached}) { our_triggers($d) }
	elsif (chance(.8)) { legacy_triggers($d) }
}

# Row security, grants, owners
sub security
{
	my ($d) = @_;
	for my $contact (present($d))
	{
		my $on = "ON $d->{schema}.$contact";
		my $alter = "ALTER TABLE $d->{schema}.$contact";
		if ($d->{attached})
		{
			break_it($d, "$contact: row security off", "$alter DISABLE ROW LEVEL SECURITY") if chance(.15);
			break_it($d, "$contact: a policy dropped", "DROP POLICY IF EXISTS contact_sync_select $on") if chance(.15);
			break_it($d, "$contact: no grants", "REVOKE ALL $on FROM authenticated")
			  if $d->{made}{$contact} && chance(.3);
		}
		else
		{
			my $policies = one_of('off', 'none', 'legacy', 'legacy', 'own');
			break_it($d, "$contact: policies $policies");
			add($d, "$alter ENABLE ROW LEVEL SECURITY") if $policies ne 'off';
			add($d, "CREATE POLICY \"Enable read access for all users\" $on FOR SELECT USING (true)",
				"CREATE POLICY \"Enable insert access for all users\" $on FOR INSERT WITH CHECK (true)",
				"CREATE POLICY \"Enable update access for all users\" $on FOR UPDATE USING (true)")
			  if $policies eq 'legacy';
			add($d, "CREATE POLICY own $on AS RESTRICTIVE USING (true)") if $policies eq 'own';
		}
		# These only a superuser mends.
		my %foreign = ('another owner' => 'OWNER TO someone', 'row security forced' => 'FORCE ROW LEVEL SECURITY');
		for (some_of(.1, sort keys %foreign))
		{
			break_it($d, "$contact: $_", "$alter $foreign{$_}");
			$d->{foreign} = 1;
		}
	}
	$d->{visible} = $d->{rls} eq 'branch' ? q{branch IN ('Arusha', 'Moshi')} : 'true';
	if ($d->{attached} && $d->{rls} eq 'branch' && chance(.5))
	{
		$d->{visible} = q{branch = 'Arusha'};
		break_it($d, "customers' policy changed", "ALTER POLICY app ON $d->{customers} USING ($d->{visible})");
	}
	# A customer's branch is shown where the condition names it.
	$d->{seen} = [ grep { $d->{visible} eq 'true' || defined $_->{branch} && $d->{visible} =~ /'$_->{branch}'/ }
		  @{ $d->{all_customers} } ];
}

# What must be corrected by hand: the check that names it, how it comes about, and how it is corrected
sub by_hand
{
	my ($d) = @_;
	my ($schema, $customers) = @$d{qw(schema customers)};
	my $methods = "$schema.contact_methods";
	my %states = (
		required_column => [
			["ALTER TABLE $methods ADD tenant integer NOT NULL DEFAULT 1", "ALTER TABLE $methods ALTER tenant DROP DEFAULT"],
			"ALTER TABLE $methods ALTER tenant SET DEFAULT 1" ]);
	$states{unique_key} = [ ["CREATE UNIQUE INDEX live ON $methods (customer_id, method_type) WHERE mark < 0"],
		"DROP INDEX $schema.live" ] if $d->{twice}{contact_methods};
	$states{phone_number_type} = [ ["CREATE PUBLICATION shop_$d->{seed} FOR TABLE $methods WHERE (phone_number <> '')"],
		"DROP PUBLICATION shop_$d->{seed}" ] if $d->{room} == 13 && !$d->{attached}
	  && !grep { $_ eq 'contact_methods: no column phone_number' } @{ $d->{states} };
	$states{recursive_policy} = [
		[ "CREATE TABLE $schema.technicians (id integer)", "ALTER TABLE $schema.technicians ENABLE ROW LEVEL SECURITY",
			"GRANT SELECT ON $schema.technicians TO authenticated", "ALTER TABLE $schema.technicians OWNER TO shop_owner",
			"CREATE POLICY known ON $schema.technicians USING (EXISTS (SELECT FROM $schema.contact_history))",
			"CREATE POLICY technicians ON $customers AS RESTRICTIVE"
			  . " USING ((SELECT count(*) FROM $schema.technicians) >= 0)" ],
		"DROP POLICY technicians ON $customers" ] if $d->{rls} ne 'off' && $d->{there}{contact_history};
	$states{number_column} = [ ["ALTER TABLE $customers RENAME $d->{phone} TO renamed"],
		"ALTER TABLE $customers RENAME renamed TO $d->{phone}" ] if $d->{attached};
	for my $check (some_of(.1, sort keys %states))
	{
		# Of a table of another owner's nothing more is told.
		next if $check !~ /policy|number_column/
		  && (!$d->{there}{contact_methods} || grep { $_ eq 'contact_methods: another owner' } @{ $d->{states} });
		my ($statements, $correction) = @{ $states{$check} };
		# The rows are noted by the names of the columns.
		my $later = $check eq 'number_column';
		break_it($d, "by hand: $check", $later ? () : @$statements);
		push @{ $d->{by_hand} }, [ $check, $later ? $statements : [], $correction ];
	}
}

# Rows of another table that refer to methods. They must not go, nor keep attach from changing others.
sub referring_table
{
	my ($d) = @_;
	return unless $d->{there}{contact_methods} && !grep({ $_ eq 'contact_methods: no column id' } @{ $d->{states} })
	  && chance(.3);
	my $action = one_of('ON DELETE CASCADE', 'ON DELETE SET NULL');
	break_it($d, 'rows that refer to methods', "CREATE TABLE $d->{schema}.log (method uuid REFERENCES"
		  . " $d->{schema}.contact_methods (id) $action)",
		"ALTER TABLE $d->{schema}.log OWNER TO shop_owner");
	$d->{log} = 1;
}

# generate SEED: a database
sub generate
{
	my ($seed) = @_;
	srand $seed;
	my $d = { seed => $seed, sql => ['BEGIN'], states => [], mark => 0, by_hand => [], keys => {} };
	$_->($d) for \&customers_table, \&contact_tables, \&keys_of, \&rows, \&columns_and_defaults, \&triggers, \&security,
	  \&by_hand, \&referring_table;
	add($d, 'COMMIT');
	$d->{batch} = 1 + int(rand 12);
	$d->{caller} = $d->{foreign} || chance(.5) ? 'postgres' : 'shop_owner';
	return $d;
}

#
# What must be true of it.  These print complaints, one a line, and what happened, behind a plus sign.
#

# The rows of contact tables, as (source, mark, row)
sub contact_rows
{
	my ($d, @which) = @_;
	return join ' UNION ALL ', "SELECT NULL::text AS source, NULL::integer AS mark, NULL::jsonb AS row WHERE false",
	  map { "SELECT '$_', t.mark, to_jsonb(t) - 'mark' FROM $d->{schema}.$_ AS t" } @which;
}

sub customer_numbers
{
	my ($d) = @_;
	return "SELECT $d->{id}::text AS customer, " . join ', ', map {
		$d->{$_} ? "nullif(btrim($d->{$_}::text, $ignorable), '') AS $_" : "NULL AS $_"
	} qw(phone whatsapp);
}

# Before: the rows as they are, and what has to become of each.
sub before
{
	my ($d) = @_;
	my $numbers = customer_numbers($d);
	my $rows = contact_rows($d, grep { $d->{there}{$_} } @tables);
	my $has_whatsapp = $d->{whatsapp} ? 'true' : 'false';
	return qq{
		CREATE TEMPORARY TABLE fate AS
		WITH customer AS ($numbers FROM $d->{customers})
		SELECT b.*, row ->> 'customer_id' AS customer_id, row ->> 'method_type' AS method,
			   w.known, w.number, row ->> 'phone_number' = w.number IS TRUE AS is_right,
			   CASE WHEN source <> 'contact_history' AND row ->> 'customer_id' IS NULL THEN 'customer_id is null'
					WHEN row ->> 'customer_id' IS NOT NULL AND c.customer IS NULL THEN 'no such customer' END AS reason,
			   CASE WHEN source <> 'contact_history' THEN
					rank() OVER (PARTITION BY source, row ->> 'customer_id', row ->> 'method_type'
								 ORDER BY t.number = w.number IS TRUE DESC,
										  (row ->> 'updated_at')::timestamptz DESC NULLS LAST,
										  (row ->> 'created_at')::timestamptz DESC NULLS LAST) END AS rank
		FROM ($rows) AS b LEFT JOIN customer c ON c.customer = row ->> 'customer_id'
			 CROSS JOIN LATERAL (SELECT nullif(btrim(row ->> 'phone_number', $ignorable), '')) AS t(number)
			 CROSS JOIN LATERAL (
				SELECT (row ->> 'method_type' IN ('sms', 'phone_call')
						OR row ->> 'method_type' = 'whatsapp' AND $has_whatsapp) IS TRUE AS known,
					   CASE WHEN row ->> 'method_type' IN ('sms', 'phone_call') THEN c.phone
							WHEN row ->> 'method_type' = 'whatsapp' AND $has_whatsapp THEN c.whatsapp
					   END AS number) AS w};
}

# Afterwards: of each row that was there
sub lost_rows
{
	my ($d) = @_;
	my $rows = contact_rows($d, @tables);
	my @changing = qw(phone_number is_available verification_status last_verified updated_at);
	my $changing = join ',', @changing;
	return (
		# There may have been nothing to move.
		"CREATE TEMPORARY TABLE quarantined (source text, reason text, customer_id text, mark integer, row jsonb);",
		"SELECT to_regclass('$d->{schema}.contact_quarantine') IS NOT NULL AS quarantine \\gset",
		"\\if :quarantine",
		'INSERT INTO quarantined'
		  . " SELECT source_table, reason, customer, (row_data ->> 'mark')::integer, row_data - 'mark'"
		  . " FROM $d->{schema}.contact_quarantine;",
		"\\endif",
		"CREATE TEMPORARY TABLE now_there AS $rows;",
		q{SELECT format('+quarantined from %s: %s', source, reason) FROM quarantined;},
		qq{
		WITH judged AS (
			SELECT f.*, q.reason AS moved_for, q.row AS moved_row, q.customer_id AS moved_customer,
				   n.row AS row_now, (n.mark IS NOT NULL) AS stayed, q.mark IS NOT NULL AS moved,
				   known AND number IS NULL AS unwanted
			FROM fate f LEFT JOIN quarantined q USING (source, mark) LEFT JOIN now_there n USING (source, mark)
		)
		SELECT format('%s %s: %s', source, row, complaint)
		FROM judged CROSS JOIN LATERAL (VALUES
			('it is there and in quarantine', stayed AND moved),
			('it is gone', NOT stayed AND NOT moved),
			('it was moved for ' || moved_for, moved AND moved_for IS DISTINCT FROM
				CASE WHEN reason IS NOT NULL THEN reason
					 WHEN unwanted AND moved_for = 'unwanted' THEN moved_for
					 WHEN rank IS NOT NULL THEN 'duplicate' END),
			-- Since attach an unwanted row may have more columns.
			('it was not moved whole', moved AND (CASE moved_for WHEN 'unwanted' THEN NOT moved_row @> row
															   ELSE moved_row <> row END
												  OR moved_customer IS DISTINCT FROM customer_id)),
			('it should be in quarantine: ' || reason, reason IS NOT NULL AND NOT moved),
			('it is unwanted', reason IS NULL AND stayed AND unwanted),
			('it was right and is now ' || row_now::text, stayed AND NOT unwanted AND (is_right OR NOT known)
				AND NOT row_now @> row),
			('it was mended to ' || row_now::text, stayed AND NOT unwanted AND NOT is_right AND known
				AND NOT (row_now @> (row - '{$changing}'::text[])
						 AND row_now @> jsonb_build_object('phone_number', number, 'is_available', true,
														   'verification_status', 'unknown', 'last_verified', NULL)))
			) AS c(complaint, applies)
		WHERE applies IS NOT FALSE
		UNION ALL
		SELECT format('%s of customer %s: of %s rows %s were kept, %s of the best', source, customer_id, count(*),
					  count(*) FILTER (WHERE kept), count(*) FILTER (WHERE kept AND rank = 1))
		FROM judged CROSS JOIN LATERAL (SELECT moved_for IS NULL OR moved_for = 'unwanted') AS of(kept)
		WHERE reason IS NULL AND rank IS NOT NULL
		GROUP BY source, customer_id, method
		HAVING count(*) FILTER (WHERE kept) <> 1 OR count(*) FILTER (WHERE kept AND rank = 1) <> 1
		UNION ALL
		SELECT format('%s has %s rows too many in quarantine', source, count(*)) FROM quarantined q
		WHERE NOT EXISTS (SELECT FROM fate f WHERE (f.source, f.mark) = (q.source, q.mark)) GROUP BY source
		UNION ALL
		SELECT format('%s has a new row: %s', source, row) FROM now_there
		WHERE source = 'contact_history' AND mark IS NULL
		UNION ALL
		SELECT format('+kept in %s', source) FROM judged WHERE stayed;});
}

# The methods and preferences that customers must have, told without contact_sync, and what contact_sync says
sub not_right
{
	my ($d, $when) = @_;
	my $numbers = customer_numbers($d);
	my $known = $d->{whatsapp} ? "'whatsapp', 'sms', 'phone_call'" : "'sms', 'phone_call'";
	return qq{
		WITH customer AS ($numbers FROM $d->{customers}), wanted AS (
			SELECT customer, method, number FROM customer
				   CROSS JOIN LATERAL (VALUES ('whatsapp', whatsapp), ('sms', phone), ('phone_call', phone))
							  AS w(method, number)
			WHERE number IS NOT NULL
		), present AS (
			SELECT customer_id::text, method_type::text, phone_number::text FROM $d->{schema}.contact_methods
			WHERE method_type::text IN ($known)
		)
		SELECT '$when: missing: ' || m::text FROM (SELECT * FROM wanted EXCEPT ALL SELECT * FROM present) AS m
		UNION ALL
		SELECT '$when: too much: ' || m::text FROM (SELECT * FROM present EXCEPT ALL SELECT * FROM wanted) AS m
		UNION ALL
		SELECT '$when: preferences: ' || p::text
		FROM (SELECT c.customer, count(p.customer_id)
			  FROM customer c LEFT JOIN $d->{schema}.contact_preferences p ON p.customer_id::text = c.customer
			  GROUP BY c.customer HAVING count(p.customer_id) <> 1) AS p
		UNION ALL
		SELECT format('$when: new and preferred: %s', m::text)
		FROM $d->{schema}.contact_methods m JOIN $d->{schema}.contact_preferences p USING (customer_id)
		WHERE m.mark IS NULL AND m.is_preferred IS DISTINCT FROM (m.method_type::text = p.preferred_method)
		UNION ALL
		SELECT '$when: drift: ' || d::text FROM contact_sync.drift($d->{arguments}) AS d
		UNION ALL
		SELECT '$when: failure: ' || f::text FROM contact_sync.failures f
		WHERE starts_with(f.customers_table, '$d->{schema}.')
		UNION ALL
		SELECT '$when: verify: ' || v::text FROM contact_sync.verify($d->{arguments}) AS v
		WHERE status IN ('fix', 'blocked')
			  OR status = 'advice' AND check_name IN ('unvalidated_constraint', 'contact_data');};
}

# An app's changes under row security, and what customers must hold then
sub app_changes
{
	my ($d) = @_;
	my (@sql, %expected);
	my @seen = @{ $d->{seen} };
	push @sql, "UPDATE $d->{customers} SET name = name || ' changed'";
	if (my $customer = shift @seen)
	{
		my $number = one_of('0755', ' 0755', "\n0755", "\x{A0}\x{200B}0755") . int(rand 1e6);
		push @sql, "UPDATE $d->{customers} SET $d->{phone} = " . literal($number)
		  . " WHERE $d->{id} = " . literal($customer->{id});
		# An empty whatsapp takes it as it is.
		my $fill = $d->{whatsapp} && !defined trimmed($customer->{whatsapp});
		$expected{ $customer->{id} } = { phone => $number, whatsapp => $fill ? $number : $customer->{whatsapp} };
	}
	if (my $customer = shift @seen)
	{
		push @sql, "UPDATE $d->{customers} SET $d->{phone} = NULL"
		  . ($d->{whatsapp} ? ", $d->{whatsapp} = ' '" : '') . " WHERE $d->{id} = " . literal($customer->{id});
		$expected{ $customer->{id} } = { phone => undef, whatsapp => $d->{whatsapp} ? ' ' : undef };
	}
	if ($d->{whatsapp} and my $customer = shift @seen)
	{
		push @sql, "UPDATE $d->{customers} SET $d->{whatsapp} = '0766' WHERE $d->{id} = " . literal($customer->{id});
		$expected{ $customer->{id} } = {
			phone => defined trimmed($customer->{phone}) ? $customer->{phone} : '0766', whatsapp => '0766' };
	}
	my $new = new_id($d->{id_type}, 2001);
	push @sql, "INSERT INTO $d->{customers} ($d->{id}, name, branch, $d->{phone})"
	  . " VALUES (" . literal($new) . ", 'new', 'Arusha', '0777')";
	$expected{$new} = { phone => '0777', whatsapp => $d->{whatsapp} ? '0777' : undef };

	my $values = join ', ', map {
		'(' . join(', ', map { literal($_) . '::text' } $_, $expected{$_}{phone}, $expected{$_}{whatsapp}) . ')'
	} sort keys %expected;
	my $whatsapp = $d->{whatsapp} ? "c.$d->{whatsapp}::text" : 'NULL';
	my @complaints = qq{
		SELECT 'customer after the app: ' || e::text
		FROM (VALUES $values) AS e(id, phone, whatsapp) LEFT JOIN $d->{customers} c ON c.$d->{id}::text = e.id
		WHERE (c.$d->{phone}::text, $whatsapp) IS DISTINCT FROM (e.phone, e.whatsapp)
		UNION ALL
		SELECT 'customer after the app: ' || c::text FROM $d->{customers} c
		WHERE (name LIKE '% changed') <> ($d->{visible} IS TRUE AND name <> 'new');};
	for my $contact (@tables)
	{
		push @complaints, 'SET ROLE authenticated;', "SELECT count(*) AS seen FROM $d->{schema}.$contact \\gset",
		  'RESET ROLE;', qq{
			SELECT format('the app sees %s rows of $contact', :seen) WHERE :seen <> (
				SELECT count(*) FROM $d->{schema}.$contact t JOIN $d->{customers} c ON c.$d->{id} = t.customer_id
				WHERE $d->{visible})} . ($contact eq 'contact_history' ? ' + :of_nobody;' : ';');
	}
	return ('SET ROLE authenticated;', (map { "$_;" } @sql), 'RESET ROLE;', @complaints);
}

# Statements that an app may run, about a customer that it sees and about none
sub app_statements
{
	my ($d) = @_;
	my ($customers, $schema) = @$d{qw(customers schema)};
	my @statements = (
		"SELECT * FROM $customers", "UPDATE $customers SET name = name",
		map({ "SELECT * FROM $schema.$_" } present($d)),
		"INSERT INTO $customers ($d->{id}, name, branch, $d->{phone}) VALUES ("
		  . literal(new_id($d->{id_type}, 3001)) . ", 'new', 'Arusha', '0788')");
	push @statements, "SELECT * FROM $schema.contact_history WHERE customer_id IS NULL",
	  "INSERT INTO $schema.contact_history (customer_id, method, type, status) VALUES (NULL, 'sms', 'call', 'missed')",
	  "INSERT INTO $schema.contact_history (content) VALUES ('somebody rang')";
	return @statements unless @{ $d->{seen} };
	my $id = literal($d->{seen}[-1]{id});
	return (@statements,
		"UPDATE $customers SET $d->{phone} = '0789' WHERE $d->{id} = $id",
		"SELECT * FROM $customers AS c JOIN $schema.contact_methods AS m ON m.customer_id = c.$d->{id} WHERE c.$d->{id} = $id",
		"UPDATE $schema.contact_methods SET is_available = NOT is_available WHERE customer_id = $id",
		"UPDATE $schema.contact_methods SET verification_status = 'verified' WHERE customer_id = $id",
		"UPDATE $schema.contact_preferences SET language = 'sw' WHERE customer_id = $id",
		# A constraint that is missing comes.
		$d->{twice}{contact_methods} ? ()
		: "INSERT INTO $schema.contact_methods (customer_id, method_type, phone_number) VALUES ($id, 'email', 'a\@b')",
		"INSERT INTO $schema.contact_history (customer_id, method, type, status) VALUES ($id, 'sms', 'call', 'sent')",
		"INSERT INTO $schema.contact_history (customer_id) VALUES ($id)");
}

sub statements_array
{
	my ($d) = @_;
	return 'ARRAY[' . join(', ', map { literal($_) } app_statements($d)) . ']::text[]';
}

# What is corrected by hand is named before, and attach refuses until it is.
sub corrections
{
	my ($d) = @_;
	my $blocked = "FROM contact_sync.verify($d->{arguments}$d->{named}) WHERE status = 'blocked'";
	my @sql;
	for (@{ $d->{by_hand} })
	{
		my ($check, $statements, $correction) = @$_;
		push @sql, (map { "$_;" } @$statements), "SELECT CASE WHEN count(*) > 0 THEN '+blocked $check' ELSE 'not blocked: $check' END $blocked"
		  . " AND check_name = '$check';", "SELECT 'attached though blocked: $check' WHERE NOT refuses($d->{arguments});",
		  "$correction;";
	}
	return @sql;
}

# Rows of another table that refer to those that are to move
sub correct_referrers
{
	my ($d) = @_;
	return unless $d->{log};
	return "SELECT count(*) > 0 AS refers FROM contact_sync.verify($d->{arguments}$d->{named})"
	  . " WHERE status = 'blocked' AND check_name = 'misplaced_rows' \\gset", '\if :refers',
	  "SELECT 'attached though referred to' WHERE NOT refuses($d->{arguments});", "SELECT '+blocked misplaced_rows';",
	  "DELETE FROM $d->{schema}.log;", '\endif', "SELECT count(*) AS logged FROM $d->{schema}.log \\gset";
}

# What other tools count on is as it was: names of foreign keys, whether they are deferrable, rows of other tables.
sub not_as_before
{
	my ($d) = @_;
	my @sql;
	for my $contact (sort keys %{ $d->{keys} })
	{
		next if grep { $_ eq "$contact: no column customer_id" } @{ $d->{states} };
		my ($name, $deferrable) = @{ $d->{keys}{$contact} };
		push @sql, "SELECT 'foreign key $name of $contact is not as it was' WHERE NOT EXISTS (SELECT FROM pg_constraint"
		  . " WHERE conrelid = '$d->{schema}.$contact'::regclass AND conname = '$name'"
		  . " AND concat_ws(' ', CASE WHEN condeferrable THEN 'DEFERRABLE' END,"
		  . " CASE WHEN condeferred THEN 'INITIALLY DEFERRED' END) = '$deferrable');";
	}
	push @sql, "SELECT 'rows of log went' WHERE :logged <> (SELECT count(*) FROM $d->{schema}.log WHERE method IS NOT NULL);"
	  if $d->{log};
	return @sql;
}

# start_adoption SEED: the database is made, adopted and looked at, by a psql of its own.
sub start_adoption
{
	my $d = generate(shift);
	$d->{script} = encode 'UTF-8', join "\n", 'SET client_encoding = utf8;', 'SET client_min_messages = error;',
	  'SET jit = off;',
	  (map { "$_;" } @{ $d->{sql} }), before($d) . ';',
	  $d->{log} ? "INSERT INTO $d->{schema}.log SELECT (row ->> 'id')::uuid FROM fate WHERE source = 'contact_methods'"
		  . " AND NOT (known AND number IS NULL) AND mark % 3 = 0;" : (),
	  corrections($d),
	  'CREATE TEMPORARY TABLE outcome_before AS SELECT * FROM outcomes(' . statements_array($d) . ');',
	  # Rows of history without a customer are shown to whom they were, or were but for a grant.
	  grep({ $_ eq 'contact_history: no grants' } @{ $d->{states} })
	  ? "SELECT count(*) AS of_nobody FROM $d->{schema}.contact_history, pg_policy WHERE customer_id IS NULL"
		  . " AND polrelid = '$d->{schema}.contact_history'::regclass AND polname = 'contact_sync_without_customer_select' \\gset"
	  : q{SELECT coalesce(max(row_count) FILTER (WHERE statement ~ 'IS NULL$'),
						max(row_count) FILTER (WHERE statement ~ 'contact_history$'), 0) AS of_nobody
		FROM outcome_before WHERE state = 'UNDO0' AND statement ~ '^SELECT .*contact_history' \gset},
	  'SET client_min_messages = warning;',
	  "SET SESSION AUTHORIZATION $d->{caller};",
	  # What the owner of customers may not do is blocked, with the SQL for who may.
	  "SELECT '+given ' || check_name FROM contact_sync.verify($d->{arguments}$d->{named}) WHERE status = 'blocked';",
	  "SELECT fix FROM contact_sync.verify($d->{arguments}$d->{named}) WHERE status = 'blocked' \\gexec",
	  correct_referrers($d),
	  "SELECT '+fixed ' || check_name FROM contact_sync.attach($d->{arguments}$d->{named});",
	  "SELECT 'attached again: ' || check_name FROM contact_sync.attach($d->{arguments});",
	  'RESET SESSION AUTHORIZATION;',
	  "SELECT CASE WHEN a.state <> 'UNDO0' THEN format('the app cannot do it any more (%s): %s', a.state, statement)"
		  . " WHEN statement ~ 'IS NULL' AND a.row_count <> b.row_count THEN 'fewer rows: ' || statement"
		  . " ELSE '+the app goes on' END"
		  . ' FROM outcome_before b JOIN outcomes(' . statements_array($d) . ") a USING (statement) WHERE b.state = 'UNDO0';",
	  "SET SESSION AUTHORIZATION $d->{caller};",
	  "SELECT '+drift: ' || kind FROM contact_sync.drift($d->{arguments});",
	  'SET client_min_messages = notice;',
	  # However many are unwanted
	  "CALL contact_sync.reconcile($d->{arguments}, $d->{batch}, move_unwanted => true);",
	  'SET client_min_messages = warning;',
	  'RESET SESSION AUTHORIZATION;',
	  (map { "ALTER TABLE $d->{schema}.$_ ADD COLUMN IF NOT EXISTS mark integer;" } @tables),
	  lost_rows($d), not_as_before($d), not_right($d, 'after reconcile'), app_changes($d), not_right($d, 'after the app'),
	  "DROP SCHEMA $d->{schema} CASCADE;", "SELECT '+finished';", '';
	$d->{run} = IPC::Run::start [ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres') ],
	  '<', \$d->{script}, '>', \$d->{out}, '2>', \$d->{err};
	return $d;
}

# Two at a time
my (%happened, @failed, @running);
my @seeds = $first_seed .. $first_seed + $databases - 1;
while (@seeds || @running)
{
	push @running, start_adoption(shift @seeds) while @seeds && @running < 2;
	my $d = shift @running;
	$d->{run}->finish;
	my ($seed, $out, $err) = @$d{qw(seed out err)};
	my @complaints;
	my $finished = 0;
	for (split /\n/, $out)
	{
		$finished = 1 if $_ eq '+finished';
		if (/^\+(.*)/) { $happened{$1}++ }
		else { push @complaints, $_ }
	}
	push @complaints, 'it did not finish' unless $finished;
	# Of a column that is not there the app is told.
	$err =~ s/^WARNING:  \w+\(\) leaves work undone .* it has no column.*\n//mg unless $d->{whatsapp};
	push @complaints, $err
	  if $err =~ /WARNING|ERROR|FATAL|PANIC/ || $err !~ /contact rows written, 0 failed, 0 skipped/;
	$happened{"customers $d->{shape}"}++;
	$happened{"state $_"}++ for map { s/ .*//r } @{ $d->{states} };
	if (@complaints)
	{
		push @failed, $seed;
		diag(join "\n  ", "CONTACT_SYNC_SEED=$seed CONTACT_SYNC_DATABASES=1",
			"customers $d->{shape}, broken: " . join('; ', @{ $d->{states} }),
			"attached by $d->{caller}", @complaints > 20 ? (@complaints[0 .. 19], 'and more') : @complaints);
		note($d->{script});
		$node->safe_psql('postgres', "DROP SCHEMA IF EXISTS $d->{schema} CASCADE");
	}
}
is(join(' ', @failed), '', "$databases databases, each right after attach and reconcile, and nothing lost");

# The generator must have met every rule.
note(join "\n", map { "$_: $happened{$_}" } sort keys %happened);
if ($databases >= 100)
{
	for ('given contact_owner', (map { "fixed $_" } qw(contact_table contact_column contact_default phone_number_type method_type
			column_value unique_key touch_trigger grants quarantine misplaced_rows row_security policy legacy_policy foreign_key
			legacy_trigger trigger)),
		(map { "drift: $_" } 'missing', 'stale', 'unwanted', 'no preferences'),
		(map { ("quarantined from contact_$_: no such customer") } qw(preferences methods history)),
		(map { ("quarantined from contact_$_: duplicate", "quarantined from contact_$_: customer_id is null") }
			qw(preferences methods)),
		'the app goes on',
		(map { "blocked $_" } qw(misplaced_rows required_column unique_key phone_number_type recursive_policy number_column)),
		'quarantined from contact_methods: unwanted',
		(map { "customers $_" } qw(plain partitioned inherited)))
	{
		ok($happened{$_}, $_);
	}
}

$node->stop;
done_testing();
