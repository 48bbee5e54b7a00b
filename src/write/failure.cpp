#include "write/failure.hpp"

#include <algorithm>

#include "server/identity.hpp"
#include "write/statement.hpp"

extern "C"
{
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/array.h"
#include "utils/datum.h"
}

namespace contact_sync
{

namespace
{

constexpr int warnings_allowed = 10;
constexpr int most_kept = 10000; // failures at a time
int warnings_given = 0;			 // in the present transaction

const char *key_text(const Work &work, Field key)
{
	if (key.null)
		return "NULL";

	Oid output;
	bool is_varlena;
	getTypeOutputInfo(work.binding.id.type, &output, &is_varlena);
	return OidOutputFunctionCall(output, key.value);
}

/// What goes over to SQL as one array.
template <typename Element> Datum text_array(int size, const Element &element)
{
	auto *elements = static_cast<Datum *>(palloc(sizeof(Datum) * size));
	for (int i = 0; i < size; i++)
		elements[i] = CStringGetTextDatum(element(i));
	return PointerGetDatum(construct_array(elements, size, TEXTOID, -1, false, TYPALIGN_INT));
}

/// Says something to the client, if it can be said: a character that the client's encoding lacks is an ERROR like any
/// other.
template <typename Say> void say(const Say &say)
{
	if (const Error *unsaid = attempt({}, [&say](Attempt &) { say(); }))
		ereport(LOG_SERVER_ONLY, errcode(unsaid->sqlstate),
				errmsg("contact_sync could not send a warning: %s", unsaid->message));
}

/// The table failures; InvalidOid where somebody has dropped it.
Oid failures_table()
{
	const Oid schema = get_namespace_oid("contact_sync", true);
	return OidIsValid(schema) ? get_relname_relid("failures", schema) : InvalidOid;
}

/// Records failures by the text of their customers' keys, with the rights of the owner of contact_sync.failures: one
/// row for each customer, its last failure. Returns why it could not, or null.
template <typename Customer, typename Failed>
const Error *record_failures(const Work &work, int size, const Customer &customer, const Failed &failed)
{
	const Oid table = failures_table();
	return attempt(
		{owner_of(table), SECURITY_RESTRICTED_OPERATION},
		[&work, table, size, &customer, &failed](Attempt &attempt)
		{
			attempt.admit_users_code("pg_catalog, pg_temp");
			fix_output();
			const char *sql =
				"INSERT INTO contact_sync.failures AS f "
				"(customers_table, customer, function, first_failed, last_failed, times, sqlstate, message) "
				"SELECT DISTINCT ON (a.customer) $1, a.customer, $2, pg_catalog.now(), pg_catalog.now(), "
				"pg_catalog.count(*) OVER (PARTITION BY a.customer), a.sqlstate, a.message "
				"FROM ROWS FROM (pg_catalog.unnest($3), pg_catalog.unnest($4), pg_catalog.unnest($5)) "
				"WITH ORDINALITY AS a (customer, sqlstate, message, place) ORDER BY a.customer, a.place DESC "
				"ON CONFLICT (customers_table, customer, function) DO UPDATE SET "
				"last_failed = excluded.last_failed, times = f.times OPERATOR(pg_catalog.+) excluded.times, "
				"sqlstate = excluded.sqlstate, message = excluded.message";
			const Oid types[] = {TEXTOID, TEXTOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID};
			const Datum values[] = {
				CStringGetTextDatum(work.binding.customers),
				CStringGetTextDatum(work.function),
				text_array(size, customer),
				text_array(size, [&failed](int i) { return unpack_sql_state(failed(i).sqlstate); }),
				text_array(size, [&failed](int i) { return failed(i).message; }),
			};
			const ParamListInfo parameters = makeParamList(lengthof(types));
			for (int i = 0; i < static_cast<int>(lengthof(types)); i++)
				parameters->params[i] = {values[i], false, 0, types[i]};

			fault("record");
			execute_plan(*plan_statement(sql, types, lengthof(types), list_make1_oid(table)), parameters,
						 None_Receiver);
		});
}

void log_unrecorded(const Work &work, const char *customer, const Error &error, const Error &reason)
{
	ereport(LOG_SERVER_ONLY, errcode(error.sqlstate),
			errmsg("contact_sync could not record a failure of %s() for customer %s of table \"%s\": %s", work.function,
				   customer, work.binding.plain_name, reason.message),
			errdetail_internal("%s", error.message));
}

/// Why a column cannot be read.
const char *missing(const Column &column)
{
	return psprintf(column.generated ? "column \"%s\" is generated as it is read, so triggers do not see it"
									 : "it has no column \"%s\"",
					NameStr(column.name));
}

/// Whether it is said for the first time in this session. A message names its table: of a partition, the topmost
/// parent.
bool is_news(const char *message)
{
	static HTAB *said = nullptr; // hashes of messages
	if (said == nullptr)
	{
		HASHCTL control = {};
		control.keysize = control.entrysize = sizeof(uint64);
		said = hash_create("contact_sync warnings", 16, &control, HASH_ELEM | HASH_BLOBS);
	}

	const uint64 key =
		hash_bytes_extended(reinterpret_cast<const unsigned char *>(message), static_cast<int>(strlen(message)), 0);
	bool found;
	hash_search(said, &key, HASH_ENTER, &found);
	return !found;
}

void on_transaction_event(XactEvent event, void *)
{
	if (event != XACT_EVENT_PRE_COMMIT && event != XACT_EVENT_PRE_PREPARE)
		warnings_given = 0;
}

} // namespace

Failures::Failures(const Work &work, bool by_row)
	: work_(work), parent_(CurrentMemoryContext), told_(by_row ? &warnings_given : &told_here_)
{
	static_assert(std::is_trivially_destructible_v<Failures>);
}

void Failures::add(const Failure &failure)
{
	if (list_length(added_) >= most_kept)
		record();

	if (memory_ == nullptr)
		memory_ = AllocSetContextCreate(parent_, "contact_sync failures", ALLOCSET_DEFAULT_SIZES);
	const MemoryContext caller = MemoryContextSwitchTo(memory_);
	const Column &id = work_.binding.id;
	auto *added = static_cast<Failure *>(palloc(sizeof(Failure)));
	const Error &error = failure.error;
	*added = {failure.key,
			  {error.sqlstate, clipped(error.message), clipped(error.detail), clipped(error.context)},
			  failure.state};
	if (!failure.key.null)
		added->key.value = datumCopy(failure.key.value, id.by_value, id.length);
	added_ = lappend(added_, added);
	MemoryContextSwitchTo(caller);
}

void Failures::forget()
{
	added_ = NIL;
	if (memory_ != nullptr)
		MemoryContextReset(memory_);
}

void Failures::tell(const Failure &failure, const char *customer, bool recorded) const
{
	say(
		[this, &failure, customer, recorded]
		{
			fault("tell");
			ereport(WARNING, errcode(failure.error.sqlstate),
					errmsg("%s() failed for customer %s of table \"%s\": %s", work_.function, customer,
						   work_.binding.plain_name, failure.error.message),
					errdetail_internal("%s", failure.state),
					errdetail_log("%s%s%s%s%s", failure.state, failure.error.detail ? "\n" : "",
								  failure.error.detail ? failure.error.detail : "", failure.error.context ? "\n" : "",
								  failure.error.context ? failure.error.context : ""),
					recorded ? errhint("It is recorded in contact_sync.failures. Mend the cause, then CALL "
									   "contact_sync.reconcile(%s); "
									   "contact_sync.verify says what is wrong with the tables, if it is that.",
									   quote_literal_cstr(work_.binding.customers))
							 : errhint("The failure could not be recorded; the server log says why."));
		});
}

void Failures::record()
{
	if (added_ == NIL)
		return;

	const MemoryContext caller = MemoryContextSwitchTo(memory_);
	const int size = list_length(added_);
	auto *customers = static_cast<const char **>(palloc(sizeof(const char *) * size));
	std::fill_n(customers, size, "(unknown)");
	const auto failure_at = [this](int i) -> const Failure & { return *static_cast<Failure *>(list_nth(added_, i)); };
	const Error *unrecorded = record_failures(
		work_, size,
		[this, customers, &failure_at](int i) { return customers[i] = key_text(work_, failure_at(i).key); },
		[&failure_at](int i) -> const Error & { return failure_at(i).error; });

	for (int i = 0; i < size; i++)
	{
		const Failure &failure = failure_at(i);
		if (unrecorded != nullptr)
			log_unrecorded(work_, customers[i], failure.error, *unrecorded);
		if (*told_ < warnings_allowed)
		{
			(*told_)++;
			tell(failure, customers[i], unrecorded == nullptr);
		}
		else
		{
			untold_++;
			untold_sqlstate_ = failure.error.sqlstate;
		}
	}
	MemoryContextSwitchTo(caller);
	forget();
}

void Failures::sum_up() const
{
	if (untold_ == 0 || told_ != &told_here_)
		return;
	say(
		[this]
		{
			ereport(WARNING, errcode(untold_sqlstate_),
					errmsg("%s() failed %lld more times on table \"%s\"", work_.function,
						   static_cast<long long>(untold_), work_.binding.plain_name),
					errdetail("The customers' rows are saved. Of one statement, ten failures are told."),
					errhint("All are recorded in contact_sync.failures, or in the server log where that failed."));
		});
}

void fail(const Work &work, const Failure &failure)
{
	Failures failures(work, true);
	failures.add(failure);
	failures.record();
}

bool warn_once(int sqlstate, const char *message, const char *hint)
{
	if (!is_news(message))
		return false;
	say(
		[sqlstate, message, hint]
		{
			ereport(WARNING, errcode(sqlstate), errmsg_internal("%s", message),
					errdetail("The row is saved. This is said once in a session."), errhint("%s", hint));
		});
	return true;
}

bool leave(const Work &work, int sqlstate, const char *problem)
{
	return warn_once(
		sqlstate,
		psprintf("%s() leaves work undone on table \"%s\": %s", work.function, work.binding.plain_name, problem),
		psprintf("SELECT * FROM contact_sync.verify(%s) says what to mend.",
				 quote_literal_cstr(work.binding.customers)));
}

void skip(const Work &work, int sqlstate, const char *problem)
{
	if (!leave(work, sqlstate, problem))
		return;
	const Error error = {sqlstate, problem, nullptr, nullptr};
	const Error *unrecorded = record_failures(
		work, 1, [](int) { return ""; }, [&error](int) -> const Error & { return error; });
	if (unrecorded != nullptr)
		log_unrecorded(work, "", error, *unrecorded);
}

bool is_fit(const Work &work, const TriggerData &trigger, const Timing &timing)
{
	if (trigger.tg_relation->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
	{
		// Anybody can make such a table, and so would fill failures.
		leave(work, ERRCODE_WRONG_OBJECT_TYPE, "it is a temporary table");
		return false;
	}
	const char *problem = wrong_timing(trigger, timing);
	if (problem == nullptr && trigger.tg_trigger->tgnargs > max_arguments)
		problem = "it has too many arguments";
	if (problem == nullptr)
		return true;
	skip(work, ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
		 psprintf("trigger \"%s\" is not made for it: %s", trigger.tg_trigger->tgname, problem));
	return false;
}

bool has_key(const Work &work)
{
	const Column &id = work.binding.id;
	if (AttributeNumberIsValid(id.number) && work.binding.key_equality != nullptr)
		return true;
	if (AttributeNumberIsValid(id.number))
		skip(work, ERRCODE_UNDEFINED_FUNCTION,
			 psprintf("the type of column \"%s\" has no default equality operator", NameStr(id.name)));
	else
		skip(work, ERRCODE_UNDEFINED_COLUMN, missing(id));
	return false;
}

bool has_column(const Work &work, const Column &column)
{
	if (column.has_numbers())
		return true;
	if (AttributeNumberIsValid(column.number))
		leave(work, ERRCODE_DATATYPE_MISMATCH,
			  psprintf("column \"%s\" is of type %s, which is not a text type", NameStr(column.name),
					   format_type_with_typemod(column.type, column.typmod)));
	else
		leave(work, ERRCODE_UNDEFINED_COLUMN, missing(column));
	return false;
}

void watch_transactions()
{
	RegisterXactCallback(on_transaction_event, nullptr);
}

} // namespace contact_sync
