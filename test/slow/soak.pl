# A million statements of one row, and ten of a million rows, in one backend, for triggers of both levels, with and without
# failures: its memory contexts and its own memory are in the end what they were after the first few.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../t";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TestModule;

plan skip_all => 'there is no /proc here' unless -r '/proc/self/status';

my ($single, $rows, $times) = (1_000_000, 1_000_000, 10);
my $node = PostgreSQL::Test::Cluster->new('soak');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_buffers = 256MB
max_wal_size = 4GB
autovacuum = off
log_statement = none
log_min_messages = error
client_min_messages = error
});
$node->start;
$node->safe_psql('postgres', qq{
	CREATE EXTENSION contact_sync;
	CREATE TABLE customers (id bigint PRIMARY KEY, name text, phone varchar(20), whatsapp varchar(20));
	SELECT * FROM contact_sync.attach('customers');
	ALTER TABLE contact_methods ADD CONSTRAINT good CHECK (phone_number <> 'bad');
	CREATE PROCEDURE single(statements bigint) LANGUAGE plpgsql AS \$\$
	BEGIN
		FOR i IN 1..statements LOOP
			CASE i % 4
				WHEN 0 THEN UPDATE customers SET phone = i WHERE id = i % 100;
				WHEN 1 THEN UPDATE customers SET name = i WHERE id = i % 100;
				WHEN 2 THEN UPDATE customers SET phone = CASE WHEN i % 100 = 2 THEN 'bad' END WHERE id = i % 100;
				ELSE
					DELETE FROM customers WHERE id = i % 100;
					INSERT INTO customers VALUES (i % 100, 'new', i);
			END CASE;
			IF i % 1000 = 0 THEN
				COMMIT;
			END IF;
		END LOOP;
	END
	\$\$;
});

my $session = $node->background_psql('postgres', timeout => 7200);
my $pid = $session->query_safe('SELECT pg_backend_pid()');

# What the backend has: in its memory contexts, and of its own (shared buffers apart), in kB
sub memory
{
	my ($when) = @_;
	my ($contexts) = $session->query_safe('SELECT sum(total_bytes) / 1024 FROM pg_backend_memory_contexts') =~ /(\d+)/;
	my ($own) = slurp_file("/proc/$pid/status") =~ /^RssAnon:\s+(\d+)/m;
	note "$when: contexts $contexts kB, own $own kB";
	return ($contexts, $own);
}

sub is_flat
{
	my ($name, $before, $after) = @_;
	cmp_ok($after->[0], '<', $before->[0] + 512, "$name: its memory contexts are what they were");
	cmp_ok($after->[1], '<', $before->[1] + 8192, "$name: its own memory is what it was");
}

for my $level ('statement', 'row')
{
	$session->query_safe(who_acts($level));
	$session->query_safe('TRUNCATE customers CASCADE; INSERT INTO customers SELECT i FROM generate_series(0, 99) AS i');
	$session->query_safe("CALL single($single / 20)");
	my @warm = memory("$level, $single / 20 statements");
	$session->query_safe("VACUUM customers; CALL single($single / 20)") for 1 .. 19;
	is_flat("$level, $single statements of one row", \@warm, [ memory("$level, $single statements") ]);

	$session->query_safe('TRUNCATE customers CASCADE');
	$session->query_safe("INSERT INTO customers SELECT i, 'c', i FROM generate_series(1, $rows) AS i");
	@warm = memory("$level, $rows rows inserted");
	for my $n (2 .. $times)
	{
		$session->query_safe("UPDATE customers SET phone = CASE WHEN id = 1 THEN 'bad' ELSE id + $n || '' END");
		# malloc keeps what the first ones freed; what comes later must do with it.
		@warm = memory("$level, $n statements of $rows rows") if $n == 4;
		$session->query_safe('VACUUM customers, contact_methods');
	}
	is_flat("$level, $times statements of $rows rows", \@warm, [ memory("$level, $times statements of $rows rows") ]);
}
$session->quit;
is($node->safe_psql('postgres', q{SELECT DISTINCT customer FROM contact_sync.drift('customers')}), 1,
	'what drifts is what fails');

$node->stop;
done_testing();
