# The module as tests build it (make FAULTS=1): with places where they can make things go wrong, and limits that they can set.
package TestModule;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Utils;

our @EXPORT = qw(test_module paths_to who_acts);

# test_module: builds it in a folder of its own and returns the one that it is installed into.
sub test_module
{
	my $tree = PostgreSQL::Test::Utils::tempdir;
	my $installed = PostgreSQL::Test::Utils::tempdir;
	delete local @ENV{qw(MAKEFLAGS MAKELEVEL MAKEOVERRIDES)};
	my @make = ('make', '-s', '-C', $tree, 'FAULTS=1', 'with_llvm=no', "DESTDIR=$installed");
	system_or_bail('cp', '-r', '--parents', qw(Makefile contact_sync.control src extension test/fault.cpp), $tree);
	system_or_bail(@make, $_) for qw(clean all install);
	return $installed;
}

# paths_to FOLDER: the settings with which a server finds it there.
sub paths_to
{
	my ($installed) = @_;
	my ($version, $libdir, $sharedir) = map { (run_command([ 'pg_config', "--$_" ]))[0] } qw(version pkglibdir sharedir);
	return "extension_destdir = '$installed'\n" unless $version =~ /(\d+)/ && $1 >= 18;    # which Debian adds
	return "extension_control_path = '$installed$sharedir:\$system'\ndynamic_library_path = '$installed$libdir:\$libdir'\n";
}

# who_acts LEVEL: the SQL that leaves it to the triggers of that level.
sub who_acts
{
	my ($level) = @_;
	return q{SELECT * FROM contact_sync.attach('customers');} if $level eq 'statement';
	return join ' ', map { "ALTER TABLE customers DISABLE TRIGGER trigger_${_}_statement;" }
	  qw(initialize_contact_preferences update_contact_methods);
}

1;
