#include "event.hpp"
#include "failure.hpp"
#include "functions.hpp"

extern "C" {
#include "access/sysattr.h"
#include "catalog/partition.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "utils/partcache.h"
}

namespace contact_sync
{

namespace
{

constexpr const char *name = "sync_contact_numbers";
constexpr const char *state_after_failure = "The customer's row is saved as it was sent; the empty number stays empty.";

/// How a column is filled from the other. Kept with the binding.
struct Filling
{
	bool looked_up;
	const char *obstacle; ///< why it never is, as a clause; null where it may be
	int sqlstate;
	bool is_copy;		///< values go over as they are, if no longer than max_characters
	int max_characters; ///< -1: any
	List *checks;		///< what the row has to satisfy, as far as it says anything of the column
};

struct Fillings
{
	Filling phone;
	Filling whatsapp;
};

/// The expressions in a list that mention a column, or the whole row.
List *mentioning(List *expressions, AttrNumber column)
{
	List *found = NIL;
	ListCell *cell;
	foreach (cell, expressions)
	{
		auto *expression = static_cast<Node *>(lfirst(cell));
		Bitmapset *columns = nullptr;
		pull_varattnos(expression, 1, &columns);
		if (bms_is_member(column - FirstLowInvalidHeapAttributeNumber, columns) ||
			bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, columns))
			found = lappend(found, expression);
	}
	return found;
}

/// The table's CHECK constraints, and what makes a row belong to a partition: a row that left it in a BEFORE trigger
/// would be an error.
List *row_constraints(Relation table)
{
	List *constraints = NIL;
	const TupleConstr *declared = RelationGetDescr(table)->constr;
	for (int i = 0; declared != nullptr && i < declared->num_check; i++)
		constraints = lappend(constraints, stringToNode(declared->check[i].ccbin));
	return list_concat(constraints, list_copy(RelationGetPartitionQual(table)));
}

/// Whether a value in the column could be in the way of another row's.
bool is_in_unique_index(Relation table, AttrNumber column)
{
	bool found = false;
	ListCell *cell;
	foreach (cell, RelationGetIndexList(table))
	{
		const Relation index = relation_open(lfirst_oid(cell), AccessShareLock);
		const auto *form = index->rd_index;
		if (form->indisunique || form->indisexclusion)
		{
			Bitmapset *columns = nullptr;
			for (int i = 0; i < form->indnkeyatts; i++)
				columns = bms_add_member(columns, form->indkey.values[i] - FirstLowInvalidHeapAttributeNumber);
			pull_varattnos(reinterpret_cast<Node *>(RelationGetIndexExpressions(index)), 1, &columns);
			pull_varattnos(reinterpret_cast<Node *>(RelationGetIndexPredicate(index)), 1, &columns);
			found = bms_is_member(column - FirstLowInvalidHeapAttributeNumber, columns);
		}
		relation_close(index, AccessShareLock);
		if (found)
			break;
	}
	return found;
}

Filling look_up(Relation table, const Column &target, const Column &source)
{
	Filling filling = {};
	const auto is_varying = [](Oid type) { return type == TEXTOID || type == VARCHAROID; };

	filling.looked_up = true;
	if (is_in_unique_index(table, target.number))
	{
		filling.obstacle = psprintf("column \"%s\" is under a unique or exclusion index, so it is never filled",
									NameStr(target.name));
		filling.sqlstate = ERRCODE_UNIQUE_VIOLATION;
	}
	filling.is_copy = (target.type == source.type && target.typmod == source.typmod) ||
					  (is_varying(target.type) && is_varying(source.type));
	filling.max_characters = is_varying(target.type) ? max_characters(target.type, target.typmod) : -1;
	filling.checks = mentioning(row_constraints(table), target.number);
	return filling;
}

Filling &filling_of(Binding &binding, Relation table, const Column &target, const Column &source)
{
	auto &fillings = binding.state<Fillings>();
	Filling &filling = &target == &binding.phone ? fillings.phone : fillings.whatsapp;
	if (!filling.looked_up)
	{
		const MemoryContext caller = MemoryContextSwitchTo(binding.context);
		filling = look_up(table, target, source);
		MemoryContextSwitchTo(caller);
	}
	return filling;
}

/// The value as the target's type has it, by the cast of an assignment. Raises what that raises.
Datum cast(const Column &target, const Column &source, Datum value, EState *executor)
{
	Node *constant = reinterpret_cast<Node *>(
		makeConst(source.type, source.typmod, source.collation, source.length, value, false, source.by_value));
	Node *expression = coerce_to_target_type(nullptr, constant, source.type, target.type, target.typmod,
											 COERCION_ASSIGNMENT, COERCE_IMPLICIT_CAST, -1);
	if (expression == nullptr)
		ereport(ERROR, errcode(ERRCODE_CANNOT_COERCE),
				errmsg("column \"%s\" cannot take a value of type %s", NameStr(target.name), format_type_be(source.type)));

	bool null;
	ExprState *state = ExecPrepareExpr(reinterpret_cast<Expr *>(expression), executor);
	return ExecEvalExprSwitchContext(state, GetPerTupleExprContext(executor), &null);
}

/// Raises 23514 unless the filled row satisfies what it has to.
void check(const Filling &filling, const Column &target, Relation table, HeapTuple row, EState *executor)
{
	if (filling.checks == NIL)
		return;

	ExprContext *expressions = GetPerTupleExprContext(executor);
	expressions->ecxt_scantuple = MakeSingleTupleTableSlot(RelationGetDescr(table), &TTSOpsHeapTuple);
	ExecStoreHeapTuple(row, expressions->ecxt_scantuple, false);
	const bool satisfied = ExecCheck(ExecPrepareCheck(filling.checks, executor), expressions);
	ExecDropSingleTupleTableSlot(expressions->ecxt_scantuple);
	if (!satisfied)
		ereport(ERROR, errcode(ERRCODE_CHECK_VIOLATION),
				errmsg("the other number in column \"%s\" would violate a constraint of the table", NameStr(target.name)));
}

HeapTuple with_value(Relation table, HeapTuple row, const Column &target, Datum value)
{
	int number = target.number;
	bool null = false;
	return heap_modify_tuple_by_cols(row, RelationGetDescr(table), 1, &number, &value, &null);
}

/// One row before it is written. All that can raise an ERROR in it is left for under the guard.
class Row
{
  public:
	Row(Binding &binding, const TriggerData &trigger, const Change &change)
		: binding_(binding), table_(trigger.tg_relation), change_(change),
		  tuple_(change.before != nullptr ? trigger.tg_newtuple : trigger.tg_trigtuple)
	{
	}

	/// On INSERT, or when phone or whatsapp changed.
	bool concerns_us() const
	{
		return change_.before == nullptr || may_have_changed(binding_.phone, change_.before, change_.after) ||
			   may_have_changed(binding_.whatsapp, change_.before, change_.after);
	}

	/// Whether the two numbers can be read without risk.
	bool is_plain() const
	{
		return contact_sync::is_plain(binding_.phone, field(binding_.phone, change_.after)) &&
			   contact_sync::is_plain(binding_.whatsapp, field(binding_.whatsapp, change_.after));
	}

	/// Where exactly one of the two is empty: the column to fill, else null. Raises only where the row is not plain.
	const Column *empty_one() const
	{
		const bool no_phone = number_in(binding_.phone, field(binding_.phone, change_.after)).empty();
		const bool no_whatsapp = number_in(binding_.whatsapp, field(binding_.whatsapp, change_.after)).empty();
		if (no_phone == no_whatsapp)
			return nullptr;
		return no_phone ? &binding_.phone : &binding_.whatsapp;
	}

	/// The row with the column filled, or as it is where the column is never filled.
	HeapTuple fill(const Work &work, const Column &target) const
	{
		const Column &source = &target == &binding_.phone ? binding_.whatsapp : binding_.phone;
		const Filling &filling = filling_of(binding_, table_, target, source);
		const Datum value = field(source, change_.after).value;

		if (filling.obstacle != nullptr)
		{
			skip(work, filling.sqlstate, filling.obstacle);
			return tuple_;
		}
		if (filling.is_copy && filling.max_characters >= 0)
		{
			const text *number = DatumGetTextPP(value);
			if (pg_mbstrlen_with_len(VARDATA_ANY(number), static_cast<int>(VARSIZE_ANY_EXHDR(number))) > filling.max_characters)
			{
				fail(work, {ERRCODE_STRING_DATA_RIGHT_TRUNCATION,
							psprintf("the other number is too long for column \"%s\": it has room for %d characters",
									 NameStr(target.name), filling.max_characters),
							nullptr, nullptr});
				return tuple_;
			}
		}
		if (filling.is_copy && filling.checks == NIL)
			return with_value(table_, tuple_, target, value);

		HeapTuple filled = nullptr;
		HeapTuple *result = &filled;
		const auto try_it = [this, &filling, &target, &source, value, result] {
			EState *executor = CreateExecutorState();
			const Datum fitting = filling.is_copy ? value : cast(target, source, value, executor);
			HeapTuple row = with_value(table_, tuple_, target, fitting);
			check(filling, target, table_, row, executor);
			FreeExecutorState(executor);
			*result = row;
		};
		return guarded(work, nullptr, try_it) ? filled : tuple_;
	}

  private:
	Binding &binding_;
	Relation table_;
	const Change &change_;
	HeapTuple tuple_;
};

static_assert(std::is_trivially_destructible_v<Row>);

} // namespace

Datum sync_contact_numbers(const TriggerData &trigger, Oid function)
{
	Binding &binding = binding_of(trigger);
	Work work = {name, function, state_after_failure, binding, {0, true}};
	if (!is_fit(work, trigger, {true, true, true}) || !has_column(work, binding.phone) || !has_column(work, binding.whatsapp))
		return unchanged_row(trigger);
	// A generated column is nobody's to fill, and not yet computed here.
	if (binding.phone.generated || binding.whatsapp.generated)
		return unchanged_row(trigger);

	Changes changes(trigger);
	Change change;
	changes.next(change);
	const Row row(binding, trigger, change);
	if (!row.concerns_us())
		return unchanged_row(trigger);
	if (AttributeNumberIsValid(binding.id.number))
		work.key = field(binding.id, change.after);

	const Column *target = nullptr;
	if (row.is_plain())
		target = row.empty_one();
	else
	{
		const Column **found = &target;
		guarded(work, nullptr, [&row, found] { *found = row.empty_one(); });
	}
	return target == nullptr ? unchanged_row(trigger) : PointerGetDatum(row.fill(work, *target));
}

} // namespace contact_sync
