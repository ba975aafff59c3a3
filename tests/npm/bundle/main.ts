import byDefault, { declared, generic, outer } from "./functions";
import { bare, block, callbacks, parenthesised, table } from "./arrows";
import { Circle, Shape } from "./shapes";
import { afterwards, waits, waitsToo, yields } from "./later";
import legacy from "./legacy";

function run() {
  declared(1000);
  generic(1100, {}, {});
  outer(1200);
  byDefault(1500);
  parenthesised(2000);
  bare(2100);
  block(2200);
  callbacks([2300, -1]);
  table.shorthand(2500);
  table.property(2600);
  table.arrow(2700);
  const shape = new Shape(3000);
  shape.method(3100);
  if (shape.getter.length !== 3200) throw new Error("getter");
  Shape.create(3300);
  shape.open(3400);
  shape.bound(3500);
  new Circle(3600, 2).method(3700);
  waits(4000);
  waitsToo(4100);
  Array.from(yields(4200));
  afterwards(4300);
  legacy.assigned(5000);
  new legacy.LegacyClass(5100).method(5200);
}

run();
