# An attached database goes through pg_dump and back, each way there is: the same tables, triggers, policies and rows,
# verify says the same, and nothing has drifted.  A restore fires no trigger, or each row would be written twice: either the
# triggers come after the rows, or they are switched off.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use lib 'test/t';
use TwoShops;

my $node = PostgreSQL::Test::Cluster->new('dump');
$node->init;
$node->start;
mkdir $node->backup_dir;
create_shops($node);

sub run_ok
{
	my ($name, @command) = @_;
	$node->command_ok(\@command, $name);
}

# dump_of DATABASE, OPTION...: what pg_dump says of it; rows in an order of their own
sub dump_of
{
	my ($database, @options) = @_;
	my $dump;
	IPC::Run::run [ 'pg_dump', @options, '-d', $node->connstr($database) ], '>', \$dump or die 'pg_dump failed';
	$dump =~ s/^\\(?:un)?restrict .*\n//mg;    # a key that pg_dump makes up each time
	# varchar in a list is deparsed in one of two ways
	$dump =~ s/\(ARRAY\[([^]]*)\]\)::text\[\]/ARRAY[$1]/g;
	$dump =~ s/\(('[^']*'::character varying)\)::text/$1/g;
	return $dump;
}

my $schema = dump_of('shop', '--schema-only');
my $verified = $node->safe_psql('shop', $verify);
my $all = $node->safe_psql('shop', $rows);
is($node->safe_psql('shop', $unfinished), '0', 'verify finds nothing to mend before');
is($node->safe_psql('shop', $drift), '', 'and nothing has drifted');

# equal DATABASE, NAME: it is what it was, and it works.
sub equal
{
	my ($database, $name) = @_;
	same(dump_of($database, '--schema-only'), $schema, "$name: the same tables, triggers, policies, grants");
	same($node->safe_psql($database, $rows), $all, "$name: the same rows");
	same($node->safe_psql($database, $verify), $verified, "$name: verify says the same");
	is($node->safe_psql($database, $drift), '', "$name: nothing has drifted");
	works($node, $database, $name);
}

my $backup = $node->backup_dir;
sub database { my ($name) = @_; $node->safe_psql('postgres', "CREATE DATABASE $name"); return $node->connstr($name) }
my @script = ('psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1');
my @restore = ('pg_restore', '--exit-on-error');

# Plain
run_ok('pg_dump', 'pg_dump', '-f', "$backup/shop.sql", '-d', $node->connstr('shop'));
run_ok('psql', @script, '-f', "$backup/shop.sql", '-d', database('plain'));
equal('plain', 'plain');
is($node->safe_psql('plain', q{SELECT has_table_privilege('clerk', 'contact_sync.failures', 'SELECT'),
	has_function_privilege('clerk', 'contact_sync.update_contact_methods()', 'EXECUTE')}), 'f|f', 'plain: nobody has more rights');

# Custom, in parallel
run_ok('pg_dump --format=custom', 'pg_dump', '--format=custom', '-f', "$backup/shop.dump", '-d', $node->connstr('shop'));
run_ok('pg_restore --jobs=2', @restore, '--jobs=2', '-d', database('custom'), "$backup/shop.dump");
equal('custom', 'custom, --jobs=2');

# The tables alone, without a row
run_ok('pg_restore --schema-only', @restore, '--schema-only', '-d', database('tables'), "$backup/shop.dump");
same(dump_of('tables', '--schema-only'), $schema, '--schema-only: the same tables, triggers, policies, grants');
is($node->safe_psql('tables', $rows), '', '--schema-only: no rows');
is($node->safe_psql('tables', $unfinished), '0', '--schema-only: verify finds nothing to mend');
is($node->safe_psql('tables', $drift), '', '--schema-only: nothing has drifted');

# Then the rows into them: with all triggers disabled
run_ok('pg_restore --data-only --disable-triggers', @restore, '--data-only', '--disable-triggers', '-d',
	$node->connstr('tables'), "$backup/shop.dump");
equal('tables', '--data-only --disable-triggers');

# or with contact_sync switched off.  Foreign keys are at work then: a data-only dump puts the rows into their order, but
# for those of partitions, which therefore come first.
run_ok('pg_dump --data-only', 'pg_dump', '--data-only', '-t', '"Branch".part_*', '-f', "$backup/partitions.sql", '-d',
	$node->connstr('shop'));
run_ok('pg_dump --data-only', 'pg_dump', '--data-only', '-T', '"Branch".part_*', '-f', "$backup/rows.sql", '-d',
	$node->connstr('shop'));
my @rows_alone = (@script, '-f', "$backup/partitions.sql", '-f', "$backup/rows.sql");
run_ok('pg_restore --schema-only', @restore, '--schema-only', '-d', database('switched_off'), "$backup/shop.dump");
{
	local $ENV{PGOPTIONS} = '-c contact_sync.enabled=off';
	run_ok('psql, contact_sync.enabled = off', @rows_alone, '-d', $node->connstr('switched_off'));
}
equal('switched_off', '--data-only, contact_sync.enabled = off');

# With neither, the triggers write what the dump brings along.
run_ok('pg_restore --schema-only', @restore, '--schema-only', '-d', database('in_the_way'), "$backup/shop.dump");
$node->command_fails_like([ @rows_alone, '-d', $node->connstr('in_the_way') ],
	qr/duplicate key value violates unique constraint "contact_(?:methods|preferences)_/,
	'--data-only with the triggers on fails');

$node->stop;
done_testing();
