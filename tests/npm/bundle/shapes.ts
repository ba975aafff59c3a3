import { keep } from "./keep";

export class Shape {
  points: unknown[];
  #hidden = 1;

  constructor(count: number) { // allocates "Shape" 3000
    this.points = keep(new Array(count));
  }

  method(count: number): unknown[] { // allocates "method" 3100
    return keep(new Array(count));
  }

  get getter(): unknown[] { // allocates "get getter" 3200
    return keep(new Array(3200));
  }

  static create(count: number): unknown[] { // allocates "create" 3300
    return keep(new Array(count));
  }

  #secret(count: number): unknown[] { // allocates "#secret" 3400
    return keep(new Array(count + this.#hidden - 1));
  }

  open(count: number): unknown[] {
    return this.#secret(count);
  }

  bound = (count: number): unknown[] => keep(new Array(count)); // allocates "bound" 3500
}

export class Circle extends Shape {
  radius: number;

  constructor(count: number, radius: number) { // allocates "Circle" 3600
    super(3000);
    this.radius = keep(new Array(count)).length * radius;
  }

  override method(count: number): unknown[] { // allocates "method" 3700
    return keep(new Array(count));
  }
}
