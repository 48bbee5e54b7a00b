# The two psql scripts on a legacy database: the quick fix, on a database that was never attached, and the complete fix.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('scripts');
$node->init;
$node->start;

# script NAME, OPTION...: runs it; its exit status and what it printed.
sub script
{
	my ($name, @options) = @_;
	my ($out, $err);
	my $status = IPC::Run::run [ 'psql', '-X', '-d', $node->connstr('shop'), @options, '-f', "scripts/$name.sql" ],
	  '>', \$out, '2>', \$err;
	return ($status, "$out$err");
}

my $rename = q{SET search_path = shop; SET ROLE clerk; UPDATE customers SET name = 'renamed'};
my $unfinished = q{SELECT count(*) FROM contact_sync.verify('shop.customers') WHERE status IN ('fix', 'blocked')};
my ($ok, $said, $status, $err);

$node->safe_psql('postgres', 'CREATE DATABASE shop');
$node->safe_psql('shop', 'CREATE ROLE clerk; CREATE SCHEMA shop; GRANT USAGE ON SCHEMA shop TO clerk');
{
	local $ENV{PGOPTIONS} = '-c search_path=shop';
	IPC::Run::run [ 'psql', '-X', '-q', '-d', $node->connstr('shop'), '-f', "test/fixtures/$_.sql" ]
	  or die "could not load $_"
	  for qw(legacy legacy_data);
}
$node->safe_psql('shop', 'GRANT ALL ON ALL TABLES IN SCHEMA shop TO clerk');

($status, undef, $err) = $node->psql('shop', $rename);
like($err, qr/contact_methods_customer_id_method_type_key/, 'the legacy triggers fail an update of the name');

($ok, $said) = script('disable-unified-contact-triggers');
ok(!$ok, 'the quick fix fails where search_path finds no customers');
like($said, qr/relation "customers" does not exist/, 'and says so');

($ok, $said) = script('disable-unified-contact-triggers', '-v', 'customers=shop.customers');
ok($ok, 'the quick fix, on a database that was never attached') or diag $said;
$node->safe_psql('shop', $rename);
pass('the name can be updated');

($ok, $said) = script('fix-409-conflict-error', '-v', 'customers=shop.customers');
ok($ok, 'the complete fix') or diag $said;
$node->safe_psql('shop', $rename);
pass('the name can be updated');
is($node->safe_psql('shop', $unfinished), '0', 'nothing is left to fix');

($ok, $said) = script('fix-409-conflict-error', '-v', 'customers=shop.customers');
ok($ok, 'the complete fix once more') or diag $said;
like($said, qr/What attach does:\n[^\n]+\n[^\n]+\n\(0 rows\)/, 'does nothing');

done_testing();
