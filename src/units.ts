// Branded scalars where mixing units costs money or truth. One constructor each; a bare number does not fit.

declare const unit: unique symbol;
type Branded<T, U extends string> = T & { readonly [unit]: U };

export type Seconds = Branded<number, 'Seconds'>;
export type Joules = Branded<number, 'Joules'>;
export type Euro = Branded<number, 'Euro'>;
export type Sha256 = Branded<string, 'Sha256'>;
export type TokenId = Branded<number, 'TokenId'>;

export const seconds = (value: number): Seconds => value as Seconds;
export const joules = (value: number): Joules => value as Joules;
export const euro = (value: number): Euro => value as Euro;
export const sha256 = (hex: string): Sha256 => hex as Sha256;
export const tokenId = (value: number): TokenId => value as TokenId;

const joulesPerKilowattHour = 3.6e6;
export const kilowattHours = (energy: Joules): number => energy / joulesPerKilowattHour;
